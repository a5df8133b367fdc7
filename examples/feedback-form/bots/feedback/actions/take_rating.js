/**
 * Keeps the stars that were chosen, as a number and as the text that the bot says.
 * @title Take the rating
 * @category Feedback
 * @param {string} value - The choice: 1 to 5
 */
temp.rating = Number(args.value)
temp.stars = temp.rating === 1 ? 'one star' : `${temp.rating} stars`
