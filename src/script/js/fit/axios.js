// What axios needs to call by way of the server: its own adapter for fetch, with the words and codes that scripts written
// for Node know. The package itself stays as it is.
(function (axios) {
  'use strict';
  const byFetch = axios.getAdapter('fetch');

  axios.defaults.adapter = async function server(config) {
    // Where the script called: everything from here on happens later.
    const at = new Error();
    // A form says itself what it is: with the type that axios gives to whatever is posted, nobody could read it.
    if (config.data instanceof FormData) config.headers.delete('content-type');
    try {
      return await byFetch(config);
    } catch (error) {
      // A call that was given up is the script's own doing, and not to be told from another by its stack.
      if (!axios.isCancel(error)) describe(error, config, at);
      throw error;
    }
  };

  function describe(error, config, at) {
    const { cause } = error, { transitional } = config;
    if (error.code === 'ERR_NETWORK' && cause && typeof cause.message === 'string') {
      // "Network Error" says nothing of which server it was, and why.
      error.message = cause.message;
      error.code = cause.code || error.code;
    } else if (error.code === 'ETIMEDOUT' && config.timeout) {
      if (config.timeoutErrorMessage) error.message = config.timeoutErrorMessage;
      if (!transitional || !transitional.clarifyTimeoutError) error.code = 'ECONNABORTED';
    }
    error.stack = at.stack;
  }
})
