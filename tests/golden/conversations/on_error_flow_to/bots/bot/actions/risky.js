throw new Error('risky')
