const axios = require('axios')
const tries = {
  status: () => axios.get(base + '/status/404'),
  server: () => axios.post(base + '/status/500', { a: 1 }),
  refused: () => axios.get('http://127.0.0.1:1/x?key=secret'),
  metadata: () => axios.get('http://169.254.169.254/latest'),
  large: () => axios.get(base + '/big/6000000'),
  small: () => axios.get(base + '/big/1000', { maxContentLength: 100 }),
  late: () => axios.get(base + '/hang', { timeout: 50 }),
  lateInOtherWords: () => axios.get(base + '/hang', { timeout: 50, timeoutErrorMessage: 'too slow', transitional: { clarifyTimeoutError: true } }),
  cancelled: () => {
    const stop = new AbortController()
    setTimeout(() => stop.abort(), 10)
    return axios.get(base + '/hang', { signal: stop.signal })
  },
  cancelledByToken: () => {
    const source = axios.CancelToken.source()
    setTimeout(() => source.cancel('no more'), 10)
    return axios.get(base + '/hang', { cancelToken: source.token })
  },
  stream: () => axios.get(base, { responseType: 'stream' }),
  relative: () => axios.get('/path'),
  json: () => axios.get(base + '/html', { responseType: 'json', transitional: { silentJSONParsing: false } }),
  header: () => axios.get(base, { headers: { 'X-Own': 'a\r\nHost: evil' } }).then(answer => { throw new Error(JSON.stringify(answer.data.headers)) })
}
for (const [name, attempt] of Object.entries(tries)) {
  try {
    await attempt()
    say(`${name}: nothing went wrong`)
  } catch (error) {
    const { response } = error
    say(`${name}: ${error.name} ${error.code} ${error.message} | ${axios.isCancel(error)} ${axios.isAxiosError(error)} ${response ? response.status + ' ' + JSON.stringify(response.data) : ''}`)
  }
}
try {
  await axios.get(base + '/status/401', { headers: { 'X-Own': '1' } })
} catch (error) {
  const { config, request, response } = error
  say(config.url, config.method, request.url, response.headers['retry-after'], response.config === config, Object.keys(error.toJSON()).includes('config'))
}
