// As old code has it: promises, no await; the error is the handler's.
const axios = require('axios')
return axios
  .get(base + '/then')
  .then(res => say(res.data.uri))
  .then(() => axios.get(base + '/status/500'))
  .catch(err => say(err.response.status, err.message))
  .then(() => axios.get(base).then(res => res.data.nothing.here))
