const _ = require('lodash')

/**
 * How many users have given feedback (`temp.count`), and how many stars on average (`temp.average`).
 * @title Count the results
 * @category Feedback
 */
const users = await bp.users.getAllUsers({ start: 0, count: 10000 })
const ratings = _.compact(users.map(user => _.get(user, 'attributes.feedback.rating')))
temp.count = ratings.length
temp.average = _.round(_.mean(ratings), 1)
