console.log('decision', event.decision && { ...event.decision, payloads: event.decision.payloads.length })
