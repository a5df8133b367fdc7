// The bot's full-screen chat at /s/<bot id>.
bp.http.createShortLink(botId, `${process.EXTERNAL_URL}/lite/${botId}/`, {
  m: 'channel-web',
  v: 'Fullscreen',
  options: JSON.stringify({ hideWidget: true, config: { enableReset: true, enableTranscriptDownload: true } })
})
