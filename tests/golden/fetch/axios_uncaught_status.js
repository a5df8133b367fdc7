const axios = require('axios')
const { data } = await axios({
  method: 'get',
  url: base + '/status/403'
})
say(data)
