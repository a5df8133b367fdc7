notThere()
