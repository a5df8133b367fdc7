"""Attacks by what the author of the hostile bot saves."""
import json
import os

from kinds import HOOK, Kind, of_attack
from kinds_scripts import flow, node
from loads import both, come_and_go, events, saved, talk
from served import INCOMING

HOOKS = f"bots/hostile/{INCOMING}"


def hook(text):
    """Saves the same text, a little different each time."""
    return lambda turn: {HOOK: f"{text}\n// {turn}\n"}


def misspelled(turn):
    """A flow of 8,000 nodes that lead to names that nearly are those of others."""
    nodes = [node(f"node-with-a-name-{at}", ("true", f"node-wiht-a-name-{at}")) for at in range(8000)]
    return flow(nodes, version=str(turn))


def many_flows(turn):
    """200 flows that lead to each other by misspelled names."""
    texts = {}
    for at in range(200):
        nodes = [node(f"n{number}", ("true", f"flow-{at + 1}.flow.jsom#n{number}")) for number in range(20)]
        texts[f"bots/hostile/flows/flow-{at}.flow.json"] = json.dumps({"version": str(turn), "startNode": "n0", "nodes": nodes})
    return texts


def big_bot(turn):
    """A bot with some MB of scripts, flows and elements, of which a part changes."""
    filler = "\n".join(f"function f{at}(x) {{ return x + {at} + `${{x}}` }}" for at in range(300))
    files = {f"{HOOKS}/h{at}.js": f"if (event.type !== 'never') return\n{filler}\n// {turn if at % 4 == 0 else 0}\n" for at in range(200)}
    elements = [{"id": f"builtin_text-e{at}", "formData": {"text$en": f"text {at} {turn}"}} for at in range(5000)]
    files["bots/hostile/content-elements/builtin_text.json"] = json.dumps(elements)
    return files


def elements(turn):
    """Elements of a type that is nearly that of another one."""
    rows = [{"id": f"builtin_text-e{at}", "formData": {"text$en": "x" * 100, "more": turn}} for at in range(30000)]
    return {"bots/hostile/content-elements/builtin_txet.json": json.dumps(rows)[:4_000_000]}


def hooks_1000(turn):
    """A thousand hooks, of which one changes."""
    if turn == 0:
        return {f"{HOOKS}/many/h{at}.js": f"if (event.type === 'never') return {at}\n" for at in range(1000)}
    return {f"{HOOKS}/many/h1.js": f"if (event.type === 'never') return {turn}\n"}


def link_up(folder, turn):
    """A link in a folder of hooks that leads up, and one from one kind's folder to another's."""
    below = folder / HOOKS
    below.mkdir(parents=True, exist_ok=True)
    made = [below / f"up-{turn}", folder / "bots/hostile/hooks/after_incoming_middleware"]
    os.symlink("../../..", made[0])
    if not made[1].exists():
        os.symlink("before_incoming_middleware", made[1])
    return made


def link_tree(folder, turn):
    """Links that lead to each other: each folder has both, so that the number of paths doubles with each level."""
    root = folder / HOOKS / f"tree-{turn}"
    root.mkdir(parents=True)
    for at in range(30):
        (root / f"d{at}").mkdir()
        for name in "ab":
            os.symlink(f"../d{(at + 1) % 30}", root / f"d{at}/{name}")
    return [root]


def deep_folders(folder, turn):
    """Folders within folders, as deep as paths may be."""
    root = folder / HOOKS / f"deep-{turn}"
    path = root
    for _ in range(400):
        path = path / "abc"
    path.mkdir(parents=True)
    (path / "x.js").write_text("return 1")
    return [root]


def odd_files(folder, turn):
    """A pipe, a link to nothing, a link to itself, a folder called like a script, a file that nobody may read and one without an end."""
    root = folder / HOOKS / f"odd-{turn}"
    root.mkdir(parents=True)
    os.mkfifo(root / "pipe.js")
    os.symlink("nowhere.js", root / "nothing.js")
    os.symlink("self.js", root / "self.js")
    os.symlink("/dev/zero", root / "zero.js")
    (root / "folder.js").mkdir()
    with open(root / "huge.js", "wb") as huge:
        huge.truncate(8 << 30)
    (root / "bytes.js").write_bytes(bytes(range(256)) * 1000)
    return [root]


def bots_come(folder, turn):
    """Forty bots that come and go, each with a hook that mounts slowly."""
    made = []
    for at in range(40):
        bot = folder / f"bots/hostile-{turn % 3}-{at}"
        (bot / "hooks/after_bot_mount").mkdir(parents=True, exist_ok=True)
        (bot / "hooks/after_bot_mount/slow.js").write_text("const until = Date.now() + 200; while (Date.now() < until);")
        (bot / "bot.config.json").write_text("{}")
        made.append(bot)
    return made


def media(folder, turn):
    """Files among the media, 2,000 more each time."""
    root = folder / "bots/hostile/media"
    root.mkdir(parents=True, exist_ok=True)
    for at in range(2000):
        (root / f"{turn}-{at}.png").write_bytes(b"x")
    return []


def assets(folder, turn):
    """Files among what is served to everybody, 2,000 more each time."""
    root = folder / f"assets/hostile/{turn}"
    root.mkdir(parents=True, exist_ok=True)
    for at in range(2000):
        (root / f"{at}.png").write_bytes(b"x")
    return []


BLOCKS = {"bots/hostile/libraries/blocks.js": "for (;;);\n"}
SLOW = "const until = Date.now() + 900\nwhile (Date.now() < until);\n"

KINDS = [
    Kind("parser-arrows", "the reader", saved(hook("x=>" * 300_000 + "1"), 0.5)),
    Kind("parser-assignments", "the reader", saved(hook("a=" * 400_000 + "1"), 0.5)),
    Kind("parser-news", "the reader", saved(hook("new " * 900_000 + "a"), 0.5)),
    Kind("parser-ifs", "the reader", saved(hook("if(a)" * 700_000 + ";"), 0.5)),
    Kind("parser-conditionals", "the reader", saved(hook("a?1:" * 900_000 + "1"), 0.5)),
    Kind("parser-labels", "the reader", saved(lambda turn: {HOOK: "".join(f"l{at}:" for at in range(200_000)) + f";// {turn}"}, 0.5)),
    Kind("parser-awaits", "the reader", saved(hook("await " * 200_000 + "1"), 0.5)),
    Kind("parser-classes", "the reader", saved(hook("class extends " * 200_000 + "a{}"), 0.5)),
    Kind("parser-braces", "the reader", saved(hook("{" * 1900 + "}" * 1900), 0.1)),
    Kind("parser-big-fine", "the reader, the compiler", saved(hook("a;" * 1_900_000), 0.5)),
    Kind("json-deep", "the reader", saved(lambda turn: {"bots/hostile/flows/main.flow.json": "[" * 1_500_000 + str(turn)}, 0.5)),
    Kind("json-deep-config", "the reader", saved(lambda turn: {"bots/hostile/bot.config.json": '{"a":' * 700_000 + str(turn)}, 0.5)),
    Kind("flow-nodes-8000", "the reader", saved(misspelled, 3)),
    Kind("flows-200-misspelled", "the reader", saved(many_flows, 3)),
    Kind("elements-30000", "the reader", saved(elements, 3)),
    Kind("big-bot-saved", "the reader, the compiler, zygotes", saved(big_bot, 1)),
    Kind("hooks-1000", "the reader, the compiler, zygotes", both(saved(hooks_1000, 1), events(50)), "return"),
    Kind("saved-without-pause", "reload", saved(hook("return 1"), 0.005)),
    Kind("saved-while-busy", "reload, zygotes", both(saved(lambda turn: {HOOK: of_attack(f"return {turn}")}, 0.05), talk(8))),
    Kind("requires-slow-module", "zygotes", both(saved(lambda turn: {"bots/hostile/libraries/slow.js": f"{SLOW}// {turn}"}, 1), talk(8)), "require('slow')"),
    Kind("requires-that-blocks", "zygotes", both(saved(lambda turn: {HOOK: of_attack(f"require('blocks')\n// {turn}")}, 1), talk(8)), files=BLOCKS),
    Kind("package-that-blocks", "zygotes", both(saved(lambda turn: {HOOK: of_attack(f"require('blocks')\n// {turn}")}, 1), talk(8)),
         files={"bots/hostile/node_modules/blocks/package.json": '{"name":"blocks","version":"1.0.0","main":"index.js"}',
                "bots/hostile/node_modules/blocks/index.js": "for (;;);\n"}),
    Kind("package-that-hoards", "zygotes, memory", both(saved(lambda turn: {HOOK: of_attack(f"require('hoards')\n// {turn}")}, 1), talk(8)),
         files={"bots/hostile/node_modules/hoards/package.json": '{"name":"hoards","version":"1.0.0","main":"index.js"}',
                "bots/hostile/node_modules/hoards/index.js": "exports.a = []; for (let i = 0; i < 25; i++) exports.a.push(new Uint8Array(1e6).fill(i))\n"}),
    Kind("require-circle", "realms", both(saved(lambda turn: {"bots/hostile/libraries/a.js": f"require('b') // {turn}", "bots/hostile/libraries/b.js": "require('a')"}, 1), talk(8)),
         "require('a')"),
    Kind("content-type-blocks", "zygotes, the compiler", both(saved(lambda turn: {"content-types/hostile_blocks.js": f"for (;;); // {turn}"}, 1), talk(4)), "return"),
    Kind("mount-hook-loops", "realms, reload", saved(lambda turn: {"bots/hostile/hooks/after_bot_mount/loop.js": f"for (;;); // {turn}", "bots/hostile/bot.config.json": json.dumps({"name": str(turn)})}, 0.5)),
    Kind("global-hook-of-mount-loops", "realms, reload", both(come_and_go(bots_come, 2), events(20)), "return",
         files={"hooks/after_bot_mount/loop.js": "if (botId !== 'calm') for (;;);"}),
    Kind("bots-come-and-go", "reload, realms", come_and_go(bots_come, 1)),
    Kind("links-up", "the watcher", come_and_go(link_up, 0.2)),
    Kind("links-tree", "the watcher, the reader", come_and_go(link_tree, 1)),
    Kind("folders-deep", "the watcher, the reader", come_and_go(deep_folders, 0.5)),
    Kind("files-odd", "the reader", come_and_go(odd_files, 1)),
    Kind("media-20000", "media's listing", both(come_and_go(media, 0.5, remove=False), talk(2)),
         "for (let i = 0; i < 50; i++) await bp.cms.saveFile('hostile', 'a.bin', 'x')", leaves=True),
    Kind("assets-20000", "the watcher", come_and_go(assets, 0.5, remove=False), leaves=True),
]
