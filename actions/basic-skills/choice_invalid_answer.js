/**
 * Counts an answer that was none of the choices. The skill's flow tests `temp['skill-choice-invalid-count'] > "3"` after it; a
 * skill with a random id has `-<id>` behind that name.
 * @title Count an invalid answer to a choice
 * @category Skills
 * @author nudge
 * @hidden true
 * @param {string} [randomId] - What tells this skill's variables from those of others
 * @param {object} [config] - What the editor knows of the skill: variableName
 */
const ids = [args.randomId, args.config && args.config.variableName].filter(Boolean)

for (const suffix of ids.length ? ids.map(id => `-${id}`) : ['']) {
  const count = `skill-choice-invalid-count${suffix}`
  temp[count] = (Number(temp[count]) || 0) + 1
}
