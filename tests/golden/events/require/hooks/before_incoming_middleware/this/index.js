this.own = this === module.exports
