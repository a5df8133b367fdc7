  /**
   * A street and a number, such as "Elm Street 4".
   * @title Check the address
   * @category Pizza
   * @author admin
   * @param {string} text - What the customer said
   */
  const checkAddress = text => {
    const found = /[A-Z][A-Za-z .'-]+ \d+\w?/.exec(text)
    temp.tries = (temp.tries || 0) + 1
    temp.street = found ? found[0].trim() : null
  }

  return checkAddress(args.text)
