// In place of the built-in hook of this name: the recorded server ran without the module that it belongs to, and so without
// `extractedSlots` in the sessions that /secured shows.
