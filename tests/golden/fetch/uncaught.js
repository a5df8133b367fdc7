const call = async path => {
  const answer = await fetch(base.replace(/:\d+$/, ':1') + path)
  return answer.json()
}
say('before')
await call('/v1/orders?token=secret')
say('never')
