const a = 1

function fail() {
  throw new TypeError('broken by ' + a)
}

fail()
