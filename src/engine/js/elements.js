// Reading content: elements and types as `bp.cms` lists them.
(function (env, cms) {
  'use strict'
  const { badArgument, formDataOf, inBot, isMissing, isObject, isOwn, put } = cms.tools

  function languagesOf(formData) {
    const languages = new Set([env.defaultLanguage])
    for (const key of Object.keys(formData)) {
      const at = key.lastIndexOf('$')
      if (at > 0) {
        languages.add(key.slice(at + 1))
      }
    }
    return Array.from(languages)
  }

  // What a list shows of an element. An element that cannot be read is still listed.
  function previewOf(element, type, language) {
    try {
      const text = type && typeof type.computePreviewText === 'function'
        ? type.computePreviewText(formDataOf(element, type, language, [element.id]))
        : ''
      return typeof text === 'string' ? text : ''
    } catch (error) {
      return ''
    }
  }

  function describe(element, language) {
    const type = env.contentType(element.contentType)
    const formData = isObject(element.formData) ? element.formData : {}
    const previews = {}
    for (const each of language ? [language] : languagesOf(formData)) {
      put(previews, each, previewOf(element, type, each))
    }
    const out = { ...element, previews }
    if (language) {
      out.formData = formDataOf(element, type, language, [element.id])
    }
    return out
  }

  function checkLanguage(member, language) {
    if (!isMissing(language) && typeof language !== 'string') {
      throw badArgument(member, 'language', 'a string', language)
    }
  }

  function getContentElement(botId, id, language) {
    return inBot('getContentElement', botId, () => getContentElementHere(id, language))
  }

  function getContentElementHere(id, language) {
    if (typeof id !== 'string') {
      throw badArgument('getContentElement', 'id', 'a string', id)
    }
    checkLanguage('getContentElement', language)
    const element = env.element(id.replace(/^#?!/, ''))
    return element ? describe(element, language) : undefined
  }

  function getContentElements(botId, ids, language) {
    return inBot('getContentElements', botId, () => getContentElementsHere(ids, language))
  }

  function getContentElementsHere(ids, language) {
    if (!Array.isArray(ids)) {
      throw badArgument('getContentElements', 'ids', 'an array of strings', ids)
    }
    checkLanguage('getContentElements', language)
    return ids.map(id => getContentElementHere(id, language)).filter(element => element !== undefined)
  }

  function columnOf(element, column) {
    const value = isOwn(element, column) ? element[column] : isOwn(element.formData, column) ? element.formData[column] : ''
    return isObject(value) ? JSON.stringify(value) : String(isMissing(value) ? '' : value)
  }

  const ordersOf = sortOrder =>
    (Array.isArray(sortOrder) ? sortOrder : [sortOrder]).filter(order => isObject(order) && typeof order.column === 'string')

  function byColumns(sortOrder) {
    const orders = ordersOf(sortOrder)
    return (a, b) => {
      for (const { column, desc } of [...orders, { column: 'createdOn' }, { column: 'id' }]) {
        const [left, right] = [columnOf(a, column), columnOf(b, column)]
        if (left !== right) {
          return (left < right ? -1 : 1) * (desc === true ? -1 : 1)
        }
      }
      return 0
    }
  }

  function listContentElements(botId, contentTypeId, params, language) {
    return inBot('listContentElements', botId, () => listContentElementsHere(contentTypeId, params, language))
  }

  function listContentElementsHere(contentTypeId, params, language) {
    if (!isMissing(contentTypeId) && typeof contentTypeId !== 'string') {
      throw badArgument('listContentElements', 'contentTypeId', 'a string', contentTypeId)
    }
    if (!isMissing(params) && !isObject(params)) {
      throw badArgument('listContentElements', 'params', 'an object', params)
    }
    checkLanguage('listContentElements', language)
    const { searchTerm, from = 0, count = 50, sortOrder, filters } = params || {}
    const filtered = Array.isArray(filters) ? filters.filter(filter => isObject(filter) && typeof filter.column === 'string') : []
    const searched = typeof searchTerm === 'string' && searchTerm
    const start = Math.max(0, Number(from) || 0)
    const end = count === -1 ? undefined : start + Math.max(0, Number(count) || 0)
    const rows = rowsOf(contentTypeId, params || {})
    if (!searched && filtered.length === 0 && ordersOf(sortOrder).every(({ column }) => column === 'createdOn' || column === 'id')) {
      // What decides of the page is known of all elements: only those on it are read.
      return rows.sort(byColumns(sortOrder)).slice(start, end).map(row => describe(env.element(row.id), language))
    }
    let found = rows.map(row => describe(env.element(row.id), language))
    if (searched) {
      const term = searchTerm.toLowerCase()
      const texts = element => [element.id, ...Object.values(element.previews), JSON.stringify(element.formData)]
      found = found.filter(element => texts(element).some(text => text.toLowerCase().includes(term)))
    }
    for (const filter of filtered) {
      const value = String(filter.value).toLowerCase()
      found = found.filter(element => columnOf(element, filter.column).toLowerCase().includes(value))
    }
    return found.sort(byColumns(sortOrder)).slice(start, end)
  }

  // The elements to choose from, with what is known of each without reading it.
  function rowsOf(contentTypeId, { ids }) {
    const wanted = Array.isArray(ids) ? new Set(ids) : undefined
    const rows = []
    for (const [id, contentType, createdOn] of env.elementRows()) {
      if ((!wanted || wanted.has(id)) && (isMissing(contentTypeId) || contentType === contentTypeId)) {
        rows.push(createdOn === null ? env.element(id) : { id, createdOn })
      }
    }
    return rows
  }

  function getAllContentTypes(botId) {
    const imported = isMissing(botId) ? undefined : inBot('getAllContentTypes', botId, () => env.importedContentTypes())
    return imported instanceof Promise ? imported.then(typesOf) : typesOf(imported)
  }

  function typesOf(imported) {
    return Array.from(env.contentTypeIds())
      .filter(id => !Array.isArray(imported) || imported.includes(id))
      .map(id => described(env.contentType(id)))
  }

  // A content type as a script may have it: what is done to its schemas stays with that script.
  function described(type) {
    const out = { ...type }
    for (const key of ['jsonSchema', 'uiSchema']) {
      if (isObject(out[key])) {
        out[key] = JSON.parse(JSON.stringify(out[key]))
      }
    }
    return out
  }

  return { getContentElement, getContentElements, listContentElements, getAllContentTypes }
})
