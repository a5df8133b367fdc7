for (const name of ['./nope', 'moment', 'no-such', 'fs', 'child_process', '../../../etc/passwd', '/etc/passwd', '']) {
  try { require(name) } catch (error) { console.log(error.code, error.message) }
}
try { require() } catch (error) { console.log(error.message) }
