"""The workspaces that are served: files by path."""
import json
import pathlib
import random

ROOT = pathlib.Path(__file__).resolve().parents[2]
HOOKS = "hooks/before_incoming_middleware"
SKIP = "event.setFlag(bp.IO.WellKnownFlags.SKIP_DIALOG_ENGINE, true)\n"

# `nudge bench` sends this with `--kind events`.
TRIGGERED = "if (event.type === 'proactive-trigger') {\n" + SKIP
# By default one bot may have so few calls under way that a crowd waits for that limit. Without it the realms are what is measured.
MANY_CALLS = {"fetch": {"concurrent": 8192, "connections": 8192}}

# A counted loop of some 5 ms: the same work however fast or slow a build is.
COMPUTING = TRIGGERED + """
  let x = 1
  for (let i = 0; i < 160000; i++) x = (x * 31 + i) | 0
  await bp.events.replyToEvent(event, [{ type: 'text', text: String(x) }])
}"""

REQUIRING = "const _ = require('lodash')\nconst axios = require('axios')\n" + TRIGGERED + """
  const text = _.get(event, 'payload.text', typeof axios.get)
  await bp.events.replyToEvent(event, [{ type: 'text', text: _.upperFirst(text) }])
}"""

WORKING = {"compute": COMPUTING, "require": REQUIRING}

HOGS = """
if (event.preview === 'hog') while (true) {}
""" + SKIP + "await bp.events.replyToEvent(event, [{ type: 'text', text: 'pong' }])\n"


def documented():
    """The third documented snippet, without the pause of typing."""
    text = (ROOT / "tests/snippets/3.js").read_text()
    assert "typing: true" in text, "tests/snippets/3.js no longer types"
    return text.replace("typing: true", "typing: false")


def bots(names):
    """Bots of these names with nothing of their own."""
    return {f"bots/{name}/bot.config.json": "{}" for name in names}


def names(count):
    """Names for that many bots."""
    return [f"b{number}" for number in range(count)]


def with_documented_hook(count):
    """That many bots, and the hook for all of them."""
    return with_hook(documented()) | bots(names(count))


def with_fresh_realms():
    """One bot with the documented hook, and a realm of its own for each event."""
    return {"botpress.config.json": json.dumps({"scripts": {"realms": "fresh"}})} | with_documented_hook(1)


def waiting(port, settings):
    """One bot whose hook awaits one call, with these settings."""
    hook = "const axios = require('axios')\n" + TRIGGERED + f"""
  const answer = await axios.get('http://127.0.0.1:{port}/wait')
  await bp.events.replyToEvent(event, [{{ type: 'text', text: String(answer.data) }}])
}}"""
    return {"botpress.config.json": json.dumps(settings)} | with_hook(hook)


def with_hook(hook):
    """One bot, and this hook."""
    return {f"{HOOKS}/x.js": hook, **bots(["b0"])}


def with_hogs():
    """Two bots whose users may say `hog`."""
    return with_hook(HOGS) | bots(["a", "b"])


def versioned(version):
    """A hook that answers with its version."""
    return SKIP + f"await bp.events.replyToEvent(event, [{{ type: 'text', text: 'version {version}' }}])\n"


def saved(count):
    """That many bots, the first of which has a hook that is saved again and again."""
    return {f"bots/b0/{HOOKS}/h.js": versioned(0), **bots(names(count))}


def with_packages(count, packages=24):
    """The same where another hook of that bot requires many packages, which lie in the workspace."""
    files, required = saved(count), []
    chance = random.Random(24)
    for number in range(packages):
        name = f"package-{number}"
        required.append(f"require('{name}')")
        for path, text in package(chance, name, number).items():
            files[f"node_modules/{name}/{path}"] = text
    files[f"bots/b0/{HOOKS}/a.js"] = f"if (event.preview === 'never') {{ {'; '.join(required)} }}\n"
    return files


def package(chance, name, number):
    """A CommonJS package as they are: files of functions, classes and tables that require each other. Most have some; one in six
    has hundreds of small ones, as libraries that keep each function in a file."""
    many = number % 6 == 0
    parts = chance.randint(100, 250) if many else chance.randint(4, 12)
    about = {"name": name, "version": "1.0.0", "main": "./index.js", "license": "MIT"}
    exported = ",\n".join(f"  part{part}: require('./lib/part{part}')" for part in range(parts))
    files = {"package.json": json.dumps(about), "index.js": f"'use strict'\n\nmodule.exports = {{\n{exported}\n}}\n"}
    # Some build on an earlier package, as most do.
    other = f"const other = require('package-{chance.randrange(number)}')\n" if number % 3 == 2 else "const other = null\n"
    for part in range(parts):
        uses = f"const before = require('./part{part - 1}')\n" if part else "const before = null\n"
        text = ["'use strict'\n", uses, other if part == 0 else "", table(chance, many), kind(chance, part, many)]
        text += [function(chance, at) for at in range(chance.randint(1, 2) if many else chance.randint(3, 16))]
        text.append(f"exports.Kind{part} = Kind{part}\nexports.TABLE = TABLE\nexports.before = before\n")
        files[f"lib/part{part}.js"] = "\n".join(text)
    return files


def table(chance, small):
    rows = (f"  k{row}: {{ pattern: /^[a-z]{{{row},}}-\\d+$/i, size: {chance.randrange(999)}, names: ['a{row}', 'b{row}'] }}"
            for row in range(chance.randint(1, 5) if small else chance.randint(10, 60)))
    return "const TABLE = {\n" + ",\n".join(rows) + "\n}\nObject.freeze(TABLE)\n"


def kind(chance, part, small):
    methods = "\n".join(
        f"  method{at}(value, options = {{}}) {{\n"
        f"    if (value == null) throw new TypeError('method{at} expects a value')\n"
        f"    const large = this.items.filter(item => item.size > {chance.randrange(99)})\n"
        f"    return large.map(item => ({{ ...item, value, options }}))\n  }}"
        for at in range(chance.randint(1, 3) if small else chance.randint(5, 20))
    )
    return f"class Kind{part} {{\n  constructor(items) {{\n    this.items = items || Object.values(TABLE)\n  }}\n{methods}\n}}\n"


def function(chance, at):
    one, two = chance.randrange(128), chance.randrange(128)
    return f"""/** Takes a value apart, and puts it together again: step {at} of the way. */
function step{at}(input, depth) {{
  const out = []
  let index = 0
  while (index < input.length && depth < {chance.randint(2, 30)}) {{
    const code = String(input).charCodeAt(index)
    if (code === {one} || code === {two}) {{
      index += 2
      continue
    }}
    switch (code % 4) {{
      case 0:
        out.push(code << 1)
        break
      case 1:
        out.push(String.fromCharCode(code))
        break
      default:
        out.push(...step{at}(input.slice(index + 1), depth + 1))
    }}
    index++
  }}
  return out
}}
exports.step{at} = step{at}
"""


def write(folder, files):
    """Writes files below a folder."""
    for path, text in files.items():
        path = folder / path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
