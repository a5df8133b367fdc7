try { require('./throws/x') } catch (error) { console.log(error.message) }
try { require('./throws/x') } catch (error) { console.log(error.message) }
