const seen = read => { try { console.log('LEAKED', read()) } catch (error) { console.log(error.message) } }
seen(() => require('../../botpress.config.json').appSecret)
seen(() => require('../../config/module.json').apiKey)
seen(() => require('../../workspaces.json'))
seen(() => require('../../.env'))
seen(() => require('../../.env.js'))
seen(() => require('../../bots/bot/bot.config.json'))
seen(() => require('../../bots/other/libraries/own'))
seen(() => require('../../' + 'botpress.config.json').appSecret)
