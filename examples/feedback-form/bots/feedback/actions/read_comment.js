/**
 * Keeps the comment in `temp.comment`, unless the visitor skips it.
 * @title Read the comment
 * @category Feedback
 * @param {string} text - What the visitor wrote
 */
const text = String(args.text).trim()
temp.comment = /^skip\b/i.test(text) ? '' : text
