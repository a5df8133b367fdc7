// Attacks that a script host must contain: `//// id | what it is`, then the body of a function. Written for this project (a copy of
// `shared/attacks/containment.js`), first run against QuickJS-NG itself: 32 of 268 ran on past its interrupt handler, several
// killed the process. `tests/attacks.rs` runs each as a hook of a real server; what is ours alone is in `host.js`.
//// cpu01 | infinite loop
while(true){}
//// cpu03 | infinite microtask loop
function f(){Promise.resolve().then(f)} f(); return new Promise(()=>{});
//// cpu03b | microtask loop, sync hook returned
function f(){Promise.resolve().then(f)} f(); return 1;
//// cpu04 | for await infinite
return (async()=>{ for await (const x of (async function*(){ let i=0; while(true) yield i++; })()){} })();
//// cpu05 | regex catastrophic
return /(a+)+$/.test('a'.repeat(40)+'!');
//// cpu05e | quadratic lazy regex w/ lookbehind
return /(?<=(a*)b)c/.test('a'.repeat(1e6)+'bd');
//// cpu05g | regex compile many nested groups
return new RegExp('('.repeat(1e5)+')'.repeat(1e5)).test('x');
//// cpu05i | regex /iv class ops bomb
return new RegExp('['+'[\\p{L}--[a-z]]'.repeat(20000)+']','vi').test('x');
//// cpu05j | regex \p{..} many /iu
return new RegExp('[\\p{L}\\p{N}]'.repeat(20000),'iu').test('x');
//// cpu06 | getter loop
const o={get a(){return this.a}}; return o.a;
//// cpu09 | sparse array join
return new Array(2**32-1).join('x').length;
//// cpu10 | concat spreadable 2^53-1
return [].concat({length:2**53-1,[Symbol.isConcatSpreadable]:true}).length;
//// cpu11 | reverse.call array-like
return Array.prototype.reverse.call({length:2**53-1});
//// cpu12 | sort.call array-like
return Array.prototype.sort.call({length:2**53-1});
//// cpu13 | copyWithin.call
return Array.prototype.copyWithin.call({length:2**53-1},1,0);
//// cpu14c | splice.call
return Array.prototype.splice.call({length:2**53-1},0,1).length;
//// cpu16b | flat DAG of empty arrays (billion laughs, no output)
let a=[]; for(let i=0;i<6;i++) a=new Array(1000).fill(a); return a.flat(Infinity).length;
//// cpu18 | indexOf.call
return Array.prototype.indexOf.call({length:2**53-1},1);
//// cpu18b | lastIndexOf/includes/find.call
return Array.prototype.lastIndexOf.call({length:2**53-1},1);
//// cpu20 | fill.call array-like with setter
return Array.prototype.fill.call(Object.create({set 0(v){}},{length:{value:2**53-1}}),0);
//// cpu20b | fill.call on frozen-proxy no-op target
return Array.prototype.fill.call(new Proxy({length:2**53-1},{set(){return true}}),0);
//// cpu21 | 'a'.repeat chains
let s='a'.repeat(2**28); for(let i=0;i<10;i++) s+=s; return s.length;
//// cpu22b | rope doubling then flatten
let s='ab'; for(let i=0;i<28;i++) s+=s; return s.charCodeAt(12345678);
//// cpu22c | deep left rope 2e5 then flatten
let s=''; for(let i=0;i<2e5;i++) s = 'abcdefgh'.repeat(20) + s; return s.charCodeAt(5);
//// cpu22d | rope of 2^29 chars compared / hashed / used as key (no flatten?)
let s='ab'; for(let i=0;i<28;i++) s+=s; const m=new Map(); m.set(s,1); return m.has(s);
//// cpu22e | rope equality 2 x 2^29
let s='ab',t='ab'; for(let i=0;i<28;i++){ s+=s; t+=t } return s===t;
//// cpu23 | pathological indexOf
return ('a'.repeat(1e7)).indexOf('a'.repeat(5e6)+'b');
//// cpu23b | pathological includes/lastIndexOf
return ('a'.repeat(1e7)).lastIndexOf('b'+'a'.repeat(5e6));
//// cpu23d | pathological split
return ('a'.repeat(1e7)).split('a'.repeat(5e6)+'b').length;
//// cpu24 | replace $` expansion
return 'x'.repeat(2**20).replace(/x/g,'$`').length;
//// cpu25 | JSON.parse deep open
return JSON.parse('['.repeat(1e6));
//// cpu25b | JSON.parse deep balanced
return JSON.parse('['.repeat(1e6)+']'.repeat(1e6));
//// cpu25e | JSON.parse with reviver bomb
return JSON.parse('['+'1,'.repeat(1e5)+'1]',function(k,v){ while(1); });
//// cpu26 | JSON.stringify deep
let o={}; for(let i=0;i<1e6;i++) o={o}; return JSON.stringify(o).length;
//// cpu26c | JSON.stringify DAG
let a=[]; for(let i=0;i<9;i++) a=new Array(10).fill(a); return JSON.stringify(a).length;
//// cpu28b | BigInt shift max
return (1n<<(2n**30n)).toString().length;
//// cpu28c | BigInt 1Mbit multiply & toString
let x=(1n<<1000000n)-1n; let y=x*1n; return y.toString().length;
//// cpu28e | BigInt division/modpow native
let x=(1n<<1000000n)-1n, y=(1n<<500000n)-1n; return String(x%y).length;
//// cpu28f | BigInt pow single op
return (3n**600000n).toString().length;
//// cpu29 | TypedArray sort 48MB
return new Uint8Array(48e6).fill(3).sort().length;
//// cpu29b | TypedArray sort w comparator
return new Uint8Array(4e6).sort((a,b)=>a-b).length;
//// cpu29c | TypedArray fill/indexOf/join loop
const t=new Uint8Array(48e6); return t.indexOf(1);
//// cpu31 | hostile comparator
return new Array(1e6).fill(1).sort(()=>Math.random()-.5).length;
//// cpu31b | comparator mutates array / shrinks
const a=[]; for(let i=0;i<1e5;i++) a.push(i); a.sort((x,y)=>{ a.length=0; a.push(1); return y-x }); return a.length;
//// cpu32a | normalize quadratic sorted worst
return ('\u0300'.repeat(3e5)+'\u0316'.repeat(3e5)).normalize('NFD').length;
//// cpu33 | parser: huge source
return new Function('a;'.repeat(4e6)) && 1;
//// cpu33b | parser: deep parens
return new Function('('.repeat(1e5)) && 1;
//// cpu33h | parser: many params/args/labels/closures
let s=''; for(let i=0;i<20000;i++) s+='let v'+i+'=0;'; s+='(()=>{'; for(let i=0;i<20000;i++) s+='v'+i+';'; s+='})'; return new Function(s) && 1;
//// cpu33i | parser: unary chain
return new Function('!'.repeat(1e6)+'1') && 1;
//// cpu33l | parser: switch/goto resolve labels many
let s='for(;;){'; for(let i=0;i<2e5;i++) s+='if(a)break;'; return new Function(s+'}') && 1;
//// cpu36 | Set.union with infinite set-like
return new Set().union({size:Infinity,has(){return true},keys(){return {next(){return {value:1,done:false}}}}}).size;
//// cpu36b | Set.union native next forever
return new Set().union({size:Infinity,has:Object,keys(){return {next:Object}}}).size;
//// cpu37 | Array.from native iterator forever
return Array.from({[Symbol.iterator]:()=>({next:Object})}).length;
//// cpu37e | new Set(array of 1e6)
return new Set(Array.from({length:5e5},(_, i)=>i)).size;
//// cpu37f | Map hash collision: doubles with same hi^lo
const f=new Float64Array(1), u=new Uint32Array(f.buffer); const m=new Map(); for(let i=0;i<2e5;i++){ u[0]=0x12345678^i; u[1]=0x40000000^i; m.set(f[0],1);} return m.size;
//// cpu37g | Set constructor from colliding array (one native call)
const f=new Float64Array(1), u=new Uint32Array(f.buffer); const a=[]; for(let i=0;i<3e5;i++){ u[0]=0x12345678^i; u[1]=0x40000000^i; a.push(f[0]);} const t=Date.now(); return new Set(a).size;
//// cpu38d | proxy as own prototype (cyclic)
const p=new Proxy({},{}); Object.setPrototypeOf(p,p); return p.x;
//// cpu38f | cyclic proxy proto: for-in / instanceof / in
const t={}; const p=new Proxy(t,{}); Object.setPrototypeOf(t,p); let n=0; for(const k in t) n++; return n;
//// cpu38k | proxy ownKeys invariant check quadratic (non-extensible target)
const t={}; for(let i=0;i<60000;i++) t['k'+i]=1; Object.preventExtensions(t); return Reflect.ownKeys(new Proxy(t,{})).length;
//// cpu39 | bound chain
let f=()=>1; for(let i=0;i<1e5;i++) f=f.bind(); return f();
//// cpu39b | bound chain name/instanceof/construct
let f=function(){}; for(let i=0;i<1e5;i++) f=f.bind(); return ({}) instanceof f;
//// cpu41b | nested array flat(Infinity)
let a=[]; for(let i=0;i<1e5;i++) a=[a]; return a.flat(Infinity).length;
//// cpu48b | prepareStackTrace throws during interrupt; catch-all loop
Error.prepareStackTrace=()=>{ throw 1 }; for(;;){ try{ for(;;); }catch(e){ globalThis.escaped=true; } }
//// cpu51 | async swallow
return (async()=>{ for(;;){ try{ await null; for(;;); }catch(e){ globalThis.c=1 } } })();
//// cpu52 | then(loop).catch(loop)
return Promise.resolve().then(()=>{ for(;;); }).catch(()=>{ globalThis.c=2; for(;;); }).finally(()=>{ for(;;); });
//// cpu53 | generator finally loop
function* g(){ try{ for(;;) yield 1 } finally { for(;;); } } for(const x of g()){ if(x) break } return 1;
//// cpu54 | using/dispose loop
return new Function('{ using x={[Symbol.dispose](){ for(;;); }}; }')();
//// cpu56 | encodeURIComponent 10MB
return encodeURIComponent('é'.repeat(5e6)).length;
//// cpu58b | spread huge
return Math.max(...new Array(1e7));
//// cpu60 | Array.fromAsync infinite
return Array.fromAsync((async function*(){for(;;) yield 1})());
//// cpu62 | padEnd 2^30
return 'a'.padEnd(2**30-1,'ab').length;
//// cpu67 | sparse length truncation
const a=[]; a[2**32-2]=1; a.length=0; return a.length;
//// cpu67b | delete loop of dense-slow arrays
const a=[]; a[4e9]=1; for(let i=0;i<10;i++) a[i*1e8]=1; return a.sort().length;
//// cpu67c | reverse sparse real array
const a=[]; a[2**32-2]=1; return a.reverse().length;
//// cpu67g | lastIndexOf etc on sparse + concat
const a=[]; a[2**32-2]=1; return a.concat([]).length;
//// cpu69 | Date string parse
return new Date('9'.repeat(1e7)).getTime();
//// cpu70 | parseFloat / Number on long string
return Number('0.'+'1'.repeat(1e7));
//// cpu72 | free of 1e6-deep linked list
let o=null; for(let i=0;i<6e5;i++) o={o}; o=null; return 1;
//// cpu73 | free deep closures / generators
let f=null; for(let i=0;i<2e5;i++){ const g=f; f=()=>g } f=null; return 1;
//// cpu74 | structured: 1e5-deep rope free
let s='x'; const keep=[]; for(let i=0;i<3e5;i++){ s='yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy'.repeat(20)+s; } s=null; return 1;
//// cpu75 | Array destructuring / spread native infinite
const [...x]={[Symbol.iterator]:()=>({next:Object})}; return x.length;
//// cpu76 | yield* native infinite
function* g(){ yield* {[Symbol.iterator]:()=>({next:Object})} } for(const _ of g()); return 1;
//// cpu77 | Function.prototype.toString / name huge
const n='x'.repeat(1e7); const f={[n](){}}[n]; return String(f.name).length;
//// cpu78 | Symbol.species constructor returning huge length proxy
class A extends Array{ static get [Symbol.species](){ return function(n){ return new Proxy([],{defineProperty(){return true}}) } } } const a=new A(); a.length=2**32-1; return a.slice(0).length;
//// cpu79c | new Uint8Array(array-like)
return new Uint8Array({length:4e7}).length;
//// cpu79d | Array(6e6).indexOf via typed; set from slow arraylike w/o calls
const t=new Float64Array(6e6); t.set({length:6e6}); return t.length;
//// cpu81 | Atomics.wait w/ timeout 5s
return Atomics.wait(new Int32Array(new SharedArrayBuffer(8)),0,0,5000);
//// cpu82 | string comparison of 30MB in native loop: Array.includes with long equal-prefix strings
const p='a'.repeat(1.5e7), x=p+'x', y=p+'y'; const a=new Array(1e5).fill(x); return a.includes(y);
//// cpu83 | Map lookup w/ long keys
const p='a'.repeat(1.5e7), x=p+'x'; const m=new Map(); let n=0; for(let i=0;i<1e5;i++){ n+=m.has(x)?1:0 } return n;
//// cpu86 | toWellFormed/isWellFormed/trim
return (' '.repeat(2e7)+'x').trim().length;
//// cpu88 | regex Symbol.split
return 'a'.repeat(3e6).split(/(?:)/).length;
//// cpu90 | String.replaceAll empty
return 'a'.repeat(8e6).replaceAll('','b').length;
//// cpu91 | Iterator.concat/zip of nested
let it=[].values(); for(let i=0;i<1e5;i++) it=Iterator.concat(it); return it.next().done;
//// cpu92 | async stack: async recursion
async function f(){ return await f() } return f();
//// cpu92b | async recursion non-await, catch-all
async function f(n){ try { return f(n+1) } catch(e){ return 1 } } return f(0);
//// cpu92c | async recursion near stack limit then resolve with thenable
async function f(n){ let r; try { r = f(n+1) } catch(e){ } return r } return f(0).then(()=>'ok');
//// cpu92f | native padded depth: array callbacks + async + tiny steps
async function g(){ } let cnt=0; function f(a,b,c,d,e2,f2,g2){ cnt++; try{ g(); f(a) }catch(e){ for(let i=0;i<3;i++) try{ g() }catch(_){ } throw e } } for(let k=0;k<40;k++){ try{ new Function('f','return '+'[1].map(()=>'.repeat(k)+'f()'+')'.repeat(k))(f) }catch(e){} } return 'survived '+cnt;
//// mem01 | push until OOM catchable?
const a=[]; try{ for(;;) a.push(new Array(1000).fill(1)) }catch(e){ a.length=0; return 'caught '+e }
//// mem02 | OOM catch loop
const a=[]; for(;;) try{ a.push(new Array(1e5).fill(1)) }catch(e){}
//// mem03 | strings
const a=[]; for(let i=0;;i++) a.push(('x'+i).repeat(1e6));
//// mem04c | SharedArrayBuffer
return new SharedArrayBuffer(2**30).byteLength;
//// mem08b | symbols registry
for(let i=0;;i++) Symbol.for('s'+i);
//// mem10 | promise chain growth
let p=Promise.resolve(); for(;;) p=p.then(()=>{});
//// mem12 | realloc growth of one array
const a=[]; try{ for(;;) a.push(1.5) }catch(e){ return a.length }
//// mem12b | dense growth of string builder
let s='x'; try{ for(;;) s=(s+s).replace(/^/,'') }catch(e){ return s.length }
//// mem14b | billion laughs through host value walker (Rust-side)
let a=[]; for(let i=0;i<8;i++) a=new Array(10).fill(a); return bp.walk(a);
//// mem16 | generator/async frames
const a=[]; function* g(){ yield 1 } for(;;){ const x=g(); x.next(); a.push(x) }
//// mem17 | regex objects w/ big bytecode
const a=[]; for(let i=0;;i++) a.push(new RegExp('a{'+i+',9}|'.repeat(1000)));
//// mem18 | pending jobs queue growth
for(;;) queueMicrotask?.(()=>{});
//// mem19b | endless timers
for(;;) setTimeout(()=>{},1e9);
//// stk01 | deep recursion
function f(){ return f()+1 } try{ return f() }catch(e){ return 'caught '+e }
//// stk02 | deep recursion host boundary
function f(){ return bp.call(f) } try{ return f() }catch(e){ return 'caught '+e }
//// stk06 | recursion via new / class / super
class A{ constructor(){ new A() } } try{ new A() }catch(e){ return 'caught '+e }
//// stk08 | recursion via tagged spread args 50000
function f(...a){ return f(...a) } try{ return f(...new Array(20000)) }catch(e){ return 'caught '+e }
//// iso02 | event __proto__ payload
const keys=Object.keys(event).join(); return keys+'|'+({}).polluted+'|'+event.polluted+'|'+(Object.getPrototypeOf(event)===Object.prototype)+'|'+Object.hasOwn(event,'__proto__');
//// iso02b | naive merge of event payload pollutes own realm
const t={}; for(const k in event) t[k]=event[k]; return String(t.polluted)+'|'+({}).polluted;
//// iso03c | thenable result lies
return { then(r){ r(7); r(8); throw 1 } };
//// iso03d | async resolves thenable with hostile then getter
return (async()=>({ get then(){ globalThis.g=1; for(;;); } }))();
//// iso04 | replace bp.*
bp.reply=()=>'evil'; return globalThis.bp.reply();
//// iso09 | import()
return import('fs').then(()=>'IMPORTED',e=>'rejected '+e);
//// iso09b | import hostile specifiers
return Promise.allSettled(['../../etc/passwd','/etc/passwd','file:///etc/passwd','std','os','qjs:std','qjs:os','qjs:bjson','data:text/javascript,1'].map(x=>import(x))).then(r=>r.map(x=>x.status[0]).join());
//// iso11 | symbol keys + cyc event
event[Symbol('x')]=1; event.self=event; try{ return bp.reply(event) }catch(e){ return 'caught '+e }
//// iso12d | BigInt in JSON
try{ return bp.reply({a:1n}) }catch(e){ return 'caught '+e }
//// iso12f | String object / Number object w/ hostile valueOf
const s=new String('x'); s.toString=()=>{ for(;;); }; return bp.reply({s});
//// iso13 | lone surrogate to &str host fn
const r=[]; for(const s of ['\ud800','a\udc00b','\0x\0','']) try{ r.push(bp.str(s)) }catch(e){ r.push(String(e).slice(0,60)) } return r.join(' ; ');
//// iso13b | lone surrogate via CString.as_str (UB?)
const r=[]; for(const s of ['\ud800','a\udc00b','\0x']) try{ r.push(bp.cstr(s)) }catch(e){ r.push(String(e).slice(0,60)) } return r.join(' ; ');
//// iso13d | lone surrogate as property key / error message
const e=new Error('\ud800'); throw e;
//// iso14f | error with hostile message returning object w/ toString throw
const e=new Error('x'); e.message={toString(){ throw new Error('inner') }}; throw e;
//// iso14g | error with huge message
const e=new Error('x'.repeat(3e7)); throw e;
//// iso14i | rejected with hostile thenable error
return Promise.reject({get then(){ for(;;); }, get message(){ for(;;); }});
//// iso15 | host panic inside SDK fn, caught by script
let r; try{ r=bp.panic() }catch(e){ r='caught:'+typeof e; try{ globalThis.kept=e; [e,{e}]; JSON.stringify([e]) ; r+=' str:'+String(e) }catch(e2){ r+=' then '+e2 } } return r;
//// iso15c | host panic, swallow then continue w/ other host calls
try{ bp.panic() }catch(e){} return 'next='+bp.str('abc');
//// iso15d | host panic in promise job
return (async()=>{ try{ await 0; bp.panic() }catch(e){ return 'swallowed' } })();
//// iso15e | host panic, value collected as exception
let e0; try{ bp.panic() }catch(e){ e0=e } return [typeof e0, (()=>{ try { return e0===e0 } catch(x){ return 'x' } })(), (()=>{ try { return !!e0 } catch(x){ return 'x' } })(), (()=>{ try { return e0+'' } catch(x){ return 'x' } })()].join();
//// iso18 | unhandled rejections x1000
for(let i=0;i<1000;i++) Promise.reject(i); return 1;
//// iso19 | delete/replace globals
for(const k of Object.getOwnPropertyNames(globalThis)) try{ delete globalThis[k] }catch(e){} return bp.reply({a:[1]});
//// iso20 | freeze intrinsics then host continues
Object.freeze(Object.prototype); Object.freeze(Array.prototype); Object.freeze(Function.prototype); Object.freeze(globalThis); return bp.reply({a:[1]});
//// iso21 | setter trap on Object.prototype for host-created props
Object.defineProperty(Object.prototype,'type',{set(v){ globalThis.stole=v },get(){ return 'x' },configurable:true}); Object.defineProperty(Object.prototype,'0',{set(v){ globalThis.stole2=v },configurable:true}); const o=JSON.parse('{"type":"a"}'); const a=JSON.parse('[1]'); return [Object.hasOwn(o,'type'),Object.hasOwn(a,'0'),typeof stole,typeof stole2].join();
//// iso22 | high-res timer
return [typeof performance, performance.now()!==performance.now() , Date.now()>0].join();
//// iso23 | with strict-mode this escape
return (function(){ return this===globalThis })() + ',' + (function(){ 'use strict'; return this===undefined })();
//// b03 | nested map 3000 next
let it=[1].values(); for(let i=0;i<3000;i++) it=it.map(x=>x); try{ return it.next().value }catch(e){ return 'caught '+e }
//// b04 | nested map 20000 next
let it=[1].values(); for(let i=0;i<20000;i++) it=it.map(x=>x); try{ return it.next().value }catch(e){ return 'caught '+e }
//// b07 | nested helper return()
let it=[1].values(); for(let i=0;i<1e5;i++) it=it.map(x=>x); try{ return it.return().done }catch(e){ return 'caught '+e }
//// b09 | callable proxy chain apply/construct
let p=function(){}; for(let i=0;i<1e5;i++) p=new Proxy(p,{}); const r=[]; try{ p(); r.push('ok') }catch(e){ r.push(e.name) } try{ new p(); r.push('ok') }catch(e){ r.push(e.name) } try{ class A extends p{}; new A; r.push('ok') }catch(e){ r.push(e.name) } try{ Reflect.construct(Array,[],p); r.push('ok') }catch(e){ r.push(e.name) } try{ r.push(typeof p) }catch(e){ r.push(e.name) } try{ ({}) instanceof p; r.push('ok') }catch(e){ r.push(e.name) } return r.join();
//// b11 | deep async generator / yield* chain
function* g(n){ if(n>0) yield* g(n-1); yield 1 } try{ let c=0; for(const x of g(50000)) c++; return c }catch(e){ return 'caught '+e }
//// b11b | yield* chain built iteratively
let g=(function*(){ yield 1 })(); for(let i=0;i<5e4;i++){ const p=g; g=(function*(){ yield* p })(); } try{ return g.next().value }catch(e){ return 'caught '+e }
//// b13e | deep array free
let p=[]; for(let i=0;i<5e5;i++) p=[p]; p=null; return 'freed';
//// b13f | deep closure var_refs, generator frames free
let g=null; for(let i=0;i<5e4;i++){ const p=g; g=(function*(){ const q=p; yield q; })(); g.next(); } g=null; return 'freed';
//// b13g | deep promise chain free
let p=new Promise(()=>{}); const root=p; for(let i=0;i<1e5;i++) p=p.then(x=>x); p=null; return 'made';
//// b14 | class extends chain 1e5
let C=class{}; for(let i=0;i<5e4;i++) C=class extends C{}; try{ new C; return 'ok' }catch(e){ return 'caught '+e }
//// b16 | source parser recursion: many constructs
const r=[]; const N=1e5; for(const s of ['['.repeat(N),'{a:'.repeat(N),'`${'.repeat(N),'a?'.repeat(N),'new '.repeat(N)+'a','await '.repeat(N),'async '.repeat(N),'a=>'.repeat(N),'function(){'.repeat(N),'class{static{'.repeat(N),'if(a)'.repeat(N),'for(;;)'.repeat(N),'{'.repeat(N),'a[ '.repeat(N),'a.b('.repeat(N),'-'.repeat(N).replace(/--/g,'- -'),'typeof '.repeat(N),'a**'.repeat(N),'a=' .repeat(N),'do '.repeat(N),'try{'.repeat(N),'label:'.repeat(10)+'x','switch(a){case '.repeat(N),'let [a,'.repeat(1)+'['.repeat(N),'({a:'.repeat(N),'(a,'.repeat(N),'a??'.repeat(N),'a,'.repeat(N),'yield '.repeat(N),'import('.repeat(N),'x`'.repeat(N),'(a=>{'.repeat(N)]) try{ new Function(s); r.push('ok') }catch(e){ r.push(e.name[0]) } return r.join('');
//// b17 | queueMicrotask OOM only (host does NOT create contexts after)
try{ for(;;) queueMicrotask(()=>{}) }catch(e){ return 'caught '+e }
//// b19 | many ops at OOM edge: hold memory at limit, exercise builtins
const hold=[]; try{ for(;;) hold.push(new Uint8Array(65536)) }catch(e){} try{ for(;;) hold.push({}) }catch(e){} let n=0; const fs=[()=>({a:1}),()=>[1],()=>new Map([[1,2]]),()=>Promise.resolve(1).then(x=>x),()=>(async()=>{await 1})(),()=>(function*(){yield 1})().next(),()=>/a(b)?/.exec('ab'),()=>JSON.parse('{"a":[1]}'),()=>JSON.stringify({a:[1]}),()=>new Proxy({}, {}),()=>'a'.repeat(100),()=>new Error('x').stack,()=>eval('1+1'),()=>new Function('return 1')(),()=>Symbol('x'),()=>1n<<200n,()=>class A{#x=1},()=>new Date().toISOString(),()=>[3,1,2].sort(),()=>Object.defineProperty({}, 'x',{get(){return 1}}),()=>new WeakRef({}),()=>structuredClone({}),()=>queueMicrotask(()=>{}),()=>bp.str('x'.repeat(50)),()=>bp.reply({a:1}),()=>new FinalizationRegistry(()=>{}).register({},1),()=>Array.from({length:10}),()=>Object.groupBy([1,2],x=>x),()=>new AsyncDisposableStack(),()=>[...'abc'],()=>`a${1}b`,()=>import('x'),()=>Object.fromEntries([[1,2]]),()=>'abc'.replace(/b/,x=>x+x),()=>new DOMException('a')]; for(let k=0;k<3000;k++){ if(hold.length) hold.pop(); for(const f of fs) try{ f() }catch(e){ n++ } try{ for(;;) hold.push([]) }catch(e){} if(k%7===0) try{ hold.length=Math.max(0,hold.length-3) }catch(e){} } return 'survived '+n;
//// d01 | pure-JS OOM-edge fuzz: fill heap, free k bytes, compile a small function; repeat
const src="return (async()=>{ function* g(){ try{ yield 1; yield* [2,3] }finally{ yield 4 } } const r=[...g(),...[1,2,3].values().map(x=>x+1).filter(x=>x>1).take(2)]; async function* ag(){ yield 1; yield* g() } for await(const x of ag()) r.push(x); for(const x of g()){ if(x==2) break } return r.join() })();"; const big=[]; big.length=0; const small=new Array(4000).fill(null); let n=0; const sizes=[8,24,40,56,72,104,136]; const mk=(k)=>new Uint8Array(k); for(let i=0;i<small.length;i++) small[i]=mk(16+ (i%40)*8); try{ for(;;) big.push(mk(1<<16)) }catch(e){} try{ for(;;) big.push(mk(1<<10)) }catch(e){} try{ for(;;) big.push(mk(8)) }catch(e){} let i=0; for(let round=0; round<1e6; round++){ if(i<small.length) small[i++]=null; try{ new Function(src)() }catch(e){ n++ } } return n;
//// d02 | OOM-edge then exercise natives recursion
const f0=[()=>{ const o={toString(){ return [o,{a:1}].join() }}; String(o) },()=>{ const o={toJSON(){ return JSON.stringify([o]) }}; JSON.stringify(o) },()=>eval('(function e(){ eval("e()") })()'),()=>'a'.replace(/a/,function r(){ return 'a'.replace(/a/,r) }),()=>new (class Q{ constructor(){ new Q } }),()=>Array.from({length:1},function af(){ return Array.from({length:1},af) })]; const big=[]; const small=new Array(6000).fill(null); let n=0,i=0; const mk=k=>new Uint8Array(k); for(let j=0;j<small.length;j++) small[j]=mk(16+(j%40)*8); try{ for(;;) big.push(mk(1<<16)) }catch(e){} try{ for(;;) big.push(mk(1<<10)) }catch(e){} try{ for(;;) big.push(mk(8)) }catch(e){} for(;;){ if(i<small.length) small[i++]=null; for(const f of f0) try{ f() }catch(e){ n++ } }
//// d03 | OOM edge w/ class/async/regex/destructuring compile
const srcs=["class A{ #p=1; get q(){return this.#p} static z=2; static { this.y=1 } } return new A().q","return /(?<n>a(b)\\d+)/gv.exec('ab1')","const {x=1,...r}={y:1}; const [a,,b=3,...t]=[1,2]; return `${x}${t}`","return (async()=>{ for await (const x of (async function*(){ yield 1 })()); await using z=null; })()","switch(1){ case 1: lbl: for(const k in {a:1}){ continue lbl } } try{ throw 1 }catch{ }finally{ }","return eval('let q=1; (()=>{ q++; return ()=>q })()()')"]; const big=[]; const small=new Array(6000).fill(null); let n=0,i=0; const mk=k=>new Uint8Array(k); for(let j=0;j<small.length;j++) small[j]=mk(16+(j%40)*8); try{ for(;;) big.push(mk(1<<16)) }catch(e){} try{ for(;;) big.push(mk(1<<10)) }catch(e){} try{ for(;;) big.push(mk(8)) }catch(e){} for(;;){ if(i<small.length) small[i++]=null; else { for(let j=0;j<6000;j++) try{ small[j]=mk(16+(j%40)*8) }catch(e){ break } i=0 } for(const s of srcs) try{ new Function(s)() }catch(e){ n++ } }
