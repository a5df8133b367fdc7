// Catch the event sent from the webpage
if (event.type === 'proactive-trigger') {
  // You custom code
}
