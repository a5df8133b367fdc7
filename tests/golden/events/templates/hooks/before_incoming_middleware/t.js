const attempt = async (name, work) => { try { console.log(name, JSON.stringify(await work())) } catch (error) { console.log(name, '✗', error.name + ':', error.message) } }
const { renderTemplate, renderElement } = bp.cms
await attempt('escapes', () => renderTemplate('{{x}} {{{x}}} {{&x}}', { x: '<b>&"' }))
await attempt('deep', () => renderTemplate({ a: ['{{x}}', { b: 'n {{y.z}}' }], c: 1, d: null, date: new Date(0) }, { x: 1, y: { z: 2 } }))
await attempt('sections', () => renderTemplate('{{#list}}<{{.}}>{{/list}}{{^none}}none{{/none}}{{! comment }}', { list: [1, 2] }))
await attempt('user text', () => renderElement('!builtin_text-said', { event, secret: 's' }, event))
await attempt('user text in args', () => renderElement('builtin_text', { text: '{{said}}', said: event.payload.text, secret: 's' }, event))
await attempt('what a value brings in is data', () => renderTemplate('{{a}}', { a: '{{b}}', b: '{{c}}', c: 'end' }))
await attempt('a template that makes a template', () => renderTemplate('{{=<% %>=}}{{<% name %>}}', { name: 'x', x: 'second pass' }))
await attempt('only its arguments', () => renderTemplate('[{{event}}{{user}}{{session}}{{bp}}]', {}))
await attempt('no arguments', () => renderTemplate('[{{x}}]'))
await attempt('broken', () => renderTemplate('{{#open}} no end', {}))
await attempt('lambda', () => renderTemplate('{{#bold}}x {{y}}{{/bold}}', { y: '{{z}}', bold: () => (text, render) => '<b>' + render(text) + '</b>' }))
await attempt('proto', () => renderTemplate('[{{constructor.name}}{{__proto__.x}}]', JSON.parse('{"__proto__":{"x":1}}')))
