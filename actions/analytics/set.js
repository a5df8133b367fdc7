/**
 * Sets the number of a metric for today. Its numbers are kept by day and group under the key `analytics/<metric>` of bp.kvs.
 * @title Set metric
 * @category Analytics
 * @author nudge
 * @param {string} metric - The name of the metric
 * @param {string} [group=all] - What is counted apart within the metric
 * @param {number} count - The number
 */
const { metric, group } = args
const count = args.count === '' ? NaN : Number(args.count)

if (typeof metric !== 'string' || metric === '' || !Number.isFinite(count)) {
  throw new TypeError(`analytics/set: a text "metric" and a number "count" are needed, got ${JSON.stringify(args)}`)
}
const day = event.createdOn.toISOString().slice(0, 10)
await bp.kvs.set(event.botId, `analytics/${metric}`, count, [day, String(group || 'all')])
