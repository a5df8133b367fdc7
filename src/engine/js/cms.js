// What `bp.cms` does inside a realm: elements and content types into payloads, and templates.
//
// `env` is the realm's side of it: `mustache()`, `contentType(id)`, `contentTypeIds()`, `element(id)` (a fresh copy),
// `elementIds()`, `botUrl`, `botId`, `isOwn`, `defaultLanguage`, `random()`, `importedContentTypes()` (undefined is "all"), and
// `inBot(member, botId, work, unknown)`, a promise of what some work gives as if in another bot's realm, or of what `unknown` makes.
(function (env) {
  'use strict'

  const MAX_PASSES = 3
  const MAX_DEPTH = 100
  const MAX_TEMPLATES = 256
  // Texts of elements, of MAX_KEPT each at most: more of them than of templates, since bots have more, and all of their languages.
  const MAX_PREPARED = 512
  const MAX_KEPT = 4096
  const hasOwn = Object.prototype.hasOwnProperty
  const isOwn = (object, key) => hasOwn.call(object, key)
  const isObject = value => typeof value === 'object' && value !== null
  const isMissing = value => value === undefined || value === null || value === ''

  // Objects of a class (dates, buffers, what a script made) are values, not containers of strings.
  function isPlain(value) {
    if (!isObject(value)) {
      return false
    }
    const prototype = Object.getPrototypeOf(value)
    return prototype === null || prototype === Object.prototype
  }

  // `__proto__` and `hasOwnProperty` are ordinary keys of JSON, but assigning to them would not make them so.
  function put(object, key, value) {
    if (key in Object.prototype) {
      Object.defineProperty(object, key, { value, writable: true, enumerable: true, configurable: true })
    } else {
      object[key] = value
    }
  }

  // -- errors ------------------------------------------------------------------------------------------------------

  function typeName(value) {
    if (value === null || value === undefined) {
      return String(value)
    }
    if (value === '') {
      return 'an empty string'
    }
    return Array.isArray(value) ? 'an array' : typeof value === 'object' ? 'an object' : `a ${typeof value}`
  }

  function badArgument(member, name, expected, value) {
    return new TypeError(`bp.cms.${member}: "${name}" must be ${expected}, got ${typeName(value)}`)
  }

  // Does some work with the elements of a bot: that of this realm, or another one of the workspace, which has to be asked for:
  // that is a promise.
  function inBot(member, botId, work) {
    if (typeof botId !== 'string') {
      throw badArgument(member, 'botId', 'a string', botId)
    }
    if (botId === env.botId || botId.toLowerCase() === String(env.botId).toLowerCase()) {
      return work()
    }
    return env.inBot(member, botId, work, () => new Error(`bp.cms.${member}: there is no bot "${shown(botId)}"`))
  }

  function distance(a, b, limit) {
    let row = Array.from({ length: b.length + 1 }, (_, index) => index)
    for (let i = 1; i <= a.length; i++) {
      const next = [i]
      let best = i
      for (let j = 1; j <= b.length; j++) {
        next[j] = Math.min(row[j] + 1, next[j - 1] + 1, row[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1))
        best = Math.min(best, next[j])
      }
      if (best > limit) {
        return limit + 1
      }
      row = next
    }
    return row[b.length]
  }

  // The nearest of some names, if one is near enough to be meant.
  function nearest(name, names) {
    const lower = name.toLowerCase()
    let found
    let limit = Math.min(3, Math.floor(name.length / 3))
    for (const other of Array.from(names).slice(0, 5000)) {
      if (Math.abs(other.length - name.length) <= limit) {
        const steps = distance(lower, other.toLowerCase(), limit)
        if (steps <= limit) {
          found = other
          limit = steps - 1
        }
      }
    }
    return found
  }

  const shown = name => (name.length > 100 ? name.slice(0, 100) + '…' : name)

  function unknownElement(id, place) {
    let hint = ''
    const near = nearest(id, env.elementIds())
    if (env.contentType(id)) {
      hint = `: it is a content type, leave out the "!" to render one`
    } else if (near !== undefined) {
      hint = `: did you mean "${near}"?`
    }
    return new Error(`the content element "${shown(id)}"${place} does not exist${env.botId ? ` in bot "${env.botId}"` : ': this hook is of no bot, name one in the destination'}${hint}`)
  }

  function unknownType(id, place) {
    let hint = ''
    const near = nearest(id, env.contentTypeIds())
    if (env.element(id)) {
      hint = `: it is an element, write "!${id}" to render it`
    } else if (near !== undefined) {
      hint = `: did you mean "${near}"?`
    }
    return new Error(`the content type "${shown(id)}"${place} does not exist${hint}`)
  }

  function typeOfElement(element) {
    const type = env.contentType(element.contentType)
    if (!type) {
      throw unknownType(String(element.contentType), ` of element "${element.id}"`)
    }
    return type
  }

  // -- templates ---------------------------------------------------------------------------------------------------
  //
  // A template is rendered up to three times, since rendering may bring forth another template. What a value brought
  // in is data, never a template, whoever typed it: each `{` of a value is hidden from later passes and shown again at
  // the end. The mark is a noncharacter of Unicode, and is itself escaped where it occurs.
  const MARK = '\uFDD0'
  const MARK_ITSELF = MARK + '\uFDD1'
  const BRACE = MARK + '\uFDD2'

  function hide(value) {
    let text = String(value)
    if (text.includes(MARK)) {
      text = text.replaceAll(MARK, MARK_ITSELF)
    }
    return text.includes('{') ? text.replaceAll('{', BRACE) : text
  }

  function show(text) {
    return text.includes(MARK) ? text.replaceAll(BRACE, '{').replaceAll(MARK_ITSELF, MARK) : text
  }

  function hasTag(text) {
    const open = text.indexOf('{{')
    return open >= 0 && text.indexOf('}}', open) >= 0
  }

  let engine

  // mustache's own writer and context, with values hidden as they come in.
  function loadEngine() {
    const mustache = env.mustache()
    const escape = mustache.escape

    class Context extends mustache.Context {
      push(view) {
        return new Context(view, this)
      }

      // What a lambda of a section returns is a value too, and it gets to see plain text.
      lookup(name) {
        const value = super.lookup(name)
        if (typeof value !== 'function') {
          return value
        }
        return function (text, render) {
          const result = value.call(this, text, typeof render === 'function' ? inner => show(render(inner)) : render)
          return result === undefined || result === null ? result : hide(result)
        }
      }
    }

    class Writer extends mustache.Writer {
      escapedValue(token, context) {
        const value = context.lookup(token[1])
        return value === undefined || value === null ? undefined : hide(typeof value === 'number' ? value : escape(value))
      }

      unescapedValue(token, context) {
        const value = context.lookup(token[1])
        return value === undefined || value === null ? undefined : hide(value)
      }
    }

    const parsed = new Map()
    const writer = new Writer()
    // mustache's own cache grows for ever, and a realm lives long.
    writer.templateCache = {
      get: key => parsed.get(key),
      set(key, tokens) {
        if (parsed.size >= MAX_TEMPLATES) {
          parsed.clear()
        }
        if (key.length <= MAX_KEPT) {
          parsed.set(key, tokens)
        }
      },
      clear: () => parsed.clear()
    }
    // Tags are given, since a script may have changed those of the shared module.
    const config = { tags: ['{{', '}}'] }
    return { render: (text, view) => writer.render(text, new Context(view), undefined, config) }
  }

  function renderText(template, view, place) {
    if (!hasTag(template)) {
      return template
    }
    engine = engine || loadEngine()
    let text = template.includes(MARK) ? template.replaceAll(MARK, MARK_ITSELF) : template
    try {
      for (let pass = 0; pass < MAX_PASSES && hasTag(text); pass++) {
        text = engine.render(text, view)
      }
    } catch (error) {
      if (error instanceof Error && typeof error.message === 'string') {
        error.message = `cannot render the template "${shown(template)}"${place}: ${error.message}`
      }
      throw error
    }
    return show(text)
  }

  function renderAll(item, view, place, depth) {
    if (typeof item === 'string') {
      return renderText(item, view, place)
    }
    if (!isObject(item)) {
      return item
    }
    if (depth > MAX_DEPTH) {
      throw new Error(`templates${place} are nested deeper than ${MAX_DEPTH} levels: is there a cycle in them?`)
    }
    if (Array.isArray(item)) {
      return item.map(entry => renderAll(entry, view, place, depth + 1))
    }
    if (!isPlain(item)) {
      return item
    }
    const out = {}
    for (const key of Object.keys(item)) {
      put(out, key, renderAll(item[key], view, place, depth + 1))
    }
    return out
  }

  function renderTemplate(item, context) {
    return renderAll(item, isMissing(context) ? {} : context, '', 0)
  }

  // -- elements ----------------------------------------------------------------------------------------------------

  // A property in a language: `text$fr`, or else `text$<default>`, or else `text`, which may be `{ en: …, fr: … }`.
  function translated(formData, name, language, schema) {
    for (const key of [`${name}$${language}`, `${name}$${env.defaultLanguage}`]) {
      if (isOwn(formData, key) && !isMissing(formData[key])) {
        return formData[key]
      }
    }
    const plain = isOwn(formData, name) ? formData[name] : undefined
    const structured = isObject(schema) && schema.type === 'object' && schema.i18n !== true
    if (!structured && isPlain(plain)) {
      for (const key of [language, env.defaultLanguage]) {
        if (isOwn(plain, key) && !isMissing(plain[key])) {
          return plain[key]
        }
      }
    }
    return plain
  }

  // An element's form data in one language, its references resolved. `path` holds the elements on the way here.
  function formDataOf(element, type, language, path) {
    const formData = isObject(element.formData) ? element.formData : {}
    const schema = type && isObject(type.jsonSchema) ? type.jsonSchema.properties : undefined
    const names = isObject(schema)
      ? Object.keys(schema)
      : Array.from(new Set(Object.keys(formData).map(key => key.split('$')[0])))
    const out = {}
    for (const name of names) {
      const value = translated(formData, name, language, isObject(schema) ? schema[name] : undefined)
      if (value !== undefined) {
        put(out, name, resolved(value, language, path))
      }
    }
    return out
  }

  const REFERENCE = /^\s*##ref\(\s*([^()\s]+)\s*\)\s*$/

  function resolved(value, language, path) {
    if (typeof value === 'string') {
      const match = value.includes('##ref(') ? REFERENCE.exec(value) : null
      return match ? referred(match[1].replace(/^#?!/, ''), language, path) : value
    }
    if (Array.isArray(value)) {
      return value.map(entry => resolved(entry, language, path))
    }
    if (isPlain(value)) {
      const out = {}
      for (const key of Object.keys(value)) {
        put(out, key, resolved(value[key], language, path))
      }
      return out
    }
    return value
  }

  function referred(id, language, path) {
    if (path.includes(id)) {
      throw new Error(`content elements refer to each other in a circle: ${[...path.slice(path.indexOf(id)), id].join(' → ')}`)
    }
    const element = env.element(id)
    if (!element) {
      throw unknownElement(id, `, which "${path[path.length - 1]}" refers to,`)
    }
    return formDataOf(element, typeOfElement(element), language, [...path, id])
  }

  // What an element of the realm's own bot says in a language is the same for as long as the realm lives. It is kept as text: each event has a
  // copy of its own, and the engine reads JSON faster than any code of ours copies objects.
  const preparedElements = new Map()

  function prepared(id, language) {
    const key = `${language}\n${id}`
    let found = env.isOwn ? preparedElements.get(key) : undefined
    if (!found) {
      const element = env.element(id)
      if (!element) {
        throw unknownElement(id, '')
      }
      const type = typeOfElement(element)
      const formData = JSON.stringify(formDataOf(element, type, language, [id]))
      found = { type, contentType: element.contentType, formData, hasTag: formData.includes('{{') }
      if (preparedElements.size >= MAX_PREPARED) {
        preparedElements.clear()
      }
      if (formData.length <= MAX_KEPT && env.isOwn) {
        preparedElements.set(key, found)
      }
    }
    return found
  }

  function userLanguage(args) {
    const { event } = args
    const language = event && event.state && event.state.user && event.state.user.language
    return typeof language === 'string' && language ? language : env.defaultLanguage
  }

  // One of `text` and `variations`, at random.
  function pickVariation(formData) {
    if (!Array.isArray(formData.variations)) {
      return
    }
    const texts = [formData.text, ...formData.variations].filter(text => typeof text === 'string' && text !== '')
    if (texts.length > 1) {
      formData.text = texts[Math.min(texts.length - 1, Math.floor(env.random() * texts.length))]
    }
  }

  function channelOf(destination) {
    const channel = isObject(destination) ? destination.channel : destination
    if (typeof channel !== 'string') {
      throw badArgument('renderElement', 'destination', 'an event, an object with a "channel", or the name of a channel', destination)
    }
    return channel
  }

  function asPayloads(rendered) {
    if (Array.isArray(rendered)) {
      return rendered
    }
    if (isObject(rendered) && typeof rendered.then === 'function') {
      return rendered.then(asPayloads)
    }
    return rendered === undefined || rendered === null ? [] : [rendered]
  }

  // An array of payloads, or a promise of one where the content type returns a promise.
  function renderElement(contentId, args, destination) {
    if (typeof contentId !== 'string' || !contentId) {
      throw badArgument('renderElement', 'contentId', 'a string that is not empty', contentId)
    }
    if (!isMissing(args) && !isObject(args)) {
      throw badArgument('renderElement', 'args', 'an object', args)
    }
    const channel = channelOf(destination)
    // A hook of no bot, or one that speaks for another bot, says in its destination which one.
    const botId = isObject(destination) && typeof destination.botId === 'string' ? destination.botId : env.botId
    if (botId === env.botId) {
      return render(contentId, args, channel)
    }
    return inBot('renderElement', botId, () => render(contentId, args, channel))
  }

  // What a flow says. The arguments are templates, once: what comes out of them is not rendered again.
  function say(contentId, args, scope, destination) {
    const given = renderAll(args, { ...args, ...scope }, ` given to "${shown(contentId)}"`, 0)
    return render(contentId, { ...given, ...scope }, channelOf(destination), true)
  }

  // What a node of a flow holds itself, with its languages as an element has them.
  function speak(contentType, formData, scope, destination) {
    const id = contentType.replace(/^[#@]/, '')
    const type = env.contentType(id)
    if (!type) {
      throw unknownType(id, '')
    }
    const inLanguage = formDataOf({ formData }, type, userLanguage(scope), [`a node's content`])
    pickVariation(inLanguage)
    const data = { BOT_URL: env.botUrl, ...scope, ...renderAll(inLanguage, scope, ` of a node's content`, 0) }
    return payloadsOf(id, type, data, channelOf(destination))
  }

  function render(contentId, args, channel, rendered) {
    const first = contentId[0]
    let id = first === '#' || first === '@' ? contentId.slice(1) : contentId
    let data = { BOT_URL: env.botUrl, ...args }
    let type

    if (id[0] === '!') {
      id = id.slice(1)
      const element = prepared(id, userLanguage(data))
      const formData = JSON.parse(element.formData)
      pickVariation(formData)
      const view = isMissing(args) ? {} : args
      data = { ...data, ...(element.hasTag ? renderAll(formData, view, ` of element "${id}"`, 0) : formData) }
      type = element.type
      id = element.contentType
    } else {
      type = env.contentType(id)
      if (!type) {
        throw unknownType(id, '')
      }
      if (!rendered && typeof data.text === 'string' && hasTag(data.text)) {
        data.text = renderText(data.text, args, ` given to "${id}"`)
      }
    }
    return payloadsOf(id, type, data, channel)
  }

  function payloadsOf(id, type, data, channel) {
    if (typeof type.renderElement !== 'function') {
      throw new Error(`the content type "${id}" has no function renderElement(data, channel): it must export one`)
    }
    return asPayloads(type.renderElement(data, channel))
  }

  return {
    renderElement,
    renderTemplate,
    // For dialog.js.
    say,
    speak,
    // For elements.js and payloads.js.
    tools: { badArgument, formDataOf, inBot, isMissing, isObject, isOwn, isPlain, put }
  }
})
