/**
 * Asks this server how it is, and puts its answer into `temp.server`. Without an answer there is no `temp.server`.
 * @title Ask the server
 * @category Welcome bot
 * @author nudge
 */
const askServer = async () => {
  delete temp.server
  try {
    const { baseURL } = await bp.http.getAxiosConfigForBot(event.botId, { localUrl: true })
    const answer = await fetch(new URL('/status', baseURL))
    const status = await answer.json()
    temp.server = { uptime: duration(status.uptime), events: status.queue.accepted }
  } catch (error) {
    bp.logger.warn(`The server did not answer: ${error.message}`)
  }
}

// The units are written alike in both languages of this bot.
const duration = seconds => {
  const [days, hours, minutes] = [Math.floor(seconds / 86400), Math.floor(seconds / 3600) % 24, Math.floor(seconds / 60) % 60]
  if (days || hours) {
    return days ? `${days} d ${hours} h` : `${hours} h ${minutes} min`
  }
  return minutes ? `${minutes} min` : `${seconds} s`
}

return askServer()
