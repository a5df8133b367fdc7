const axios = require('axios')
const order = async () => {
  const { data } = await axios.post('http://127.0.0.1:1/orders', { a: 1 })
  return data
}
await order()
