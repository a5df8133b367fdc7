const url = new URL('../b c?x=1&x=2#h', 'http://ann:p%40@Example.org:80/a/d/')
console.log(url.href, String(url) === url.href, JSON.stringify({ url }), url instanceof URL)
for (const part of ['origin', 'protocol', 'username', 'password', 'host', 'hostname', 'port', 'pathname', 'search', 'hash']) console.log(part, url[part])
url.protocol = 'https'
url.host = 'bücher.example:8443'
url.pathname = '/ü'
url.hash = ''
url.searchParams.append('y', 'a&b=c ü')
url.searchParams.delete('x', '1')
url.port = 'no number'
console.log(url.href, [...url.searchParams], url.searchParams === url.searchParams)
url.search = '?only'
console.log(url.href, url.searchParams.has('only'), url.searchParams.size)
console.log(URL.canParse('x'), URL.canParse('x', 'http://a'), URL.parse('x'), URL.parse('/x', 'http://a').href)
console.log(new URL('http://0x7f.1').host, new URL('http://[::FFFF:1.2.3.4]').host, new URL('HTTP://a/../b/%2e%2e/c').href, new URL('file:///x').origin)
for (const wrong of [() => new URL('/x'), () => new URL('http://a b/'), () => new URL('x', 'y'), () => URL('http://a'), () => { url.href = 'x' }, () => URL.prototype.href]) {
  try {
    wrong()
  } catch (error) {
    console.log(error.name, error.code, error.message)
  }
}
const params = new URLSearchParams('?b=2&a=1&a=%C3%BC+x&c')
params.sort()
params.set('a', 'first')
console.log(String(params), params.get('nope'), params.getAll('a'), [...params.keys()], [...params.values()])
params.forEach((value, name, all) => console.log(name, value, all === params))
console.log(String(new URLSearchParams({ a: 1, b: [2, 3] })), String(new URLSearchParams([['x', 'y']])), String(new URLSearchParams(params)))
console.log(String(new URLSearchParams('a=\ud800')), Object.fromEntries(new URLSearchParams('k=v')))
