throw 'just text'
