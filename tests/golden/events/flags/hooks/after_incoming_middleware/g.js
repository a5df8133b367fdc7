console.log(event.hasFlag(event.own))
if (event.payload.text === 'skip') event.setFlag(Symbol.for('skipDialogEngine'), true)
