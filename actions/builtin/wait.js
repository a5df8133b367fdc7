/**
 * Waits before the dialog goes on. Where a reply is only to arrive later, its `typing` does that.
 * @title Wait
 * @category Utils
 * @author nudge
 * @param {number} [delay=1000] - How long, in milliseconds, at most 30 s (scripts.actionWaiting)
 */
const delay = args.delay === undefined || args.delay === '' ? 1000 : Number(args.delay)

if (!(delay >= 0)) {
  throw new TypeError(`wait: "delay" must be a number of milliseconds, got ${JSON.stringify(args.delay)}`)
}
await new Promise(resolve => setTimeout(resolve, delay))
