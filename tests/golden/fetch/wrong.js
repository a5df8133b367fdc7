const why = []
const tries = {
  refused: () => fetch('http://127.0.0.1:1/'),
  unknown: () => fetch('http://nobody.invalid/').catch(error => { throw new Error(error.message.replace(/\(.*/, '')) }),
  metadata: () => fetch('http://169.254.169.254/latest/meta-data/'),
  metadataWrittenDifferently: () => fetch('http://[::ffff:169.254.169.254]/'),
  nowhere: () => fetch('http://0.0.0.0/'),
  scheme: () => fetch('file:///etc/passwd'),
  relative: () => fetch('/path'),
  nothing: () => fetch(),
  redirects: () => fetch(base + '/redirect/9'),
  redirectRefused: () => fetch(base + '/redirect/1', { redirect: 'error' }),
  large: () => fetch(base + '/big/6000000'),
  sent: () => fetch(base, { method: 'POST', body: 'x'.repeat(2e6) }),
  header: () => fetch(base, { headers: { 'x-own': 'a\r\nHost: evil' } }),
  headers: () => fetch(base, { headers: { 'x-own': 'x'.repeat(2e6) } }),
  method: () => fetch(base, { method: 'GET / HTTP/1.1\r\n' }),
  aborted: () => fetch(base, { signal: AbortSignal.abort() }),
  html: async () => (await fetch(base + '/html')).json()
}
for (const [name, attempt] of Object.entries(tries)) {
  try {
    await attempt()
    why.push(`${name}: nothing went wrong`)
  } catch (error) {
    why.push(`${name}: ${error.name} ${error.code} ${error.message} ${error.cause ? error.cause.code : ''}`)
  }
}
say(...why)
