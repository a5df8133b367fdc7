const f = /* a */ ( x ,y )=>  x+y // end
function  spaced ( a )  { return a }
const o = { method( ) { return 1 }, async  *gen() {} }
class K  { static  x = 1; m(){} }
for (const each of [f, spaced, o.method, o.gen, K, K.prototype.m]) console.log(String(each))
console.log(f.toString === Function.prototype.toString, spaced.name, spaced.length, f(1, 2))
