'use strict'
try { strictly = 1 } catch (error) { console.log(error.name, error.message) }
