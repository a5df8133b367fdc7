await bp.cms.renderElements('builtin_text', {}, event)
