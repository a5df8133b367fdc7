//! Which files are found, and what for.

use super::*;
use crate::config::LinkSettings;
use crate::reload::testing::workspace;

fn scan(root: &Path) -> Scan {
    super::scan(&Bounds::new(root, LinkSettings::default()))
}

fn paths(scan: &Scan) -> Vec<&str> {
    scan.files.iter().map(|file| file.path.as_str()).collect()
}

#[test]
fn both_layouts_are_looked_through() {
    let files = [
        "hooks/after_bot_mount/a.js",
        "actions/x/y.js",
        "content-types/t.js",
        "bots/b/bot.config.json",
        "bots/b/hooks/after_bot_mount/own.js",
        "bots/b/actions/z.js",
        "bots/b/content-elements/builtin_text.json",
        "bots/b/flows/main.flow.json",
        "bots/b/flows/skills/choice-1.flow.json",
    ];
    let ours = workspace(&files.map(|path| (path, "")));
    let mut expected: Vec<String> = files.iter().map(ToString::to_string).collect();
    let mut found: Vec<String> = paths(&scan(ours.path())).iter().map(ToString::to_string).collect();
    expected.sort();
    found.sort();
    assert_eq!(found, expected);
    let theirs =
        files.map(|path| if path.starts_with("bots") { format!("data/{path}") } else { format!("data/global/{path}") });
    let data = workspace(&theirs.each_ref().map(|path| (path.as_str(), "")));
    let mut found: Vec<String> = paths(&scan(data.path())).iter().map(ToString::to_string).collect();
    let mut expected = theirs.to_vec();
    expected.sort();
    found.sort();
    assert_eq!(found, expected);
    // The workspace may be the data folder itself.
    assert_eq!(scan(&data.path().join("data")).files.len(), files.len());
}

#[test]
fn names_with_a_leading_dot_and_node_modules_are_left_out() {
    let root = workspace(&[
        ("hooks/after_bot_mount/.off.js", ""),
        ("hooks/after_bot_mount/sub/.also.js", ""),
        ("hooks/after_bot_mount/.git/x.js", ""),
        ("hooks/after_bot_mount/node_modules/p/index.js", ""),
        ("hooks/after_bot_mount/sub/node_modules/p/index.js", ""),
        ("hooks/after_bot_mount/sub/on.js", ""),
        ("hooks/after_bot_mount/readme.md", ""),
        ("actions/.off.js", ""),
        ("content-types/.off.js", ""),
        ("content-types/_helper.js", ""),
    ]);
    let scan = scan(root.path());
    assert_eq!(paths(&scan), ["hooks/after_bot_mount/sub/on.js", "content-types/_helper.js"]);
    assert_eq!(scan.files[1].role, FileRole::Module);
    let disabled: HashSet<&str> = scan.disabled.iter().map(|(_, _, name)| name.as_str()).collect();
    assert_eq!(disabled, HashSet::from(["off.js", "also.js"]));
}

#[test]
fn files_that_would_never_run_are_warned_of() {
    let root = workspace(&[
        ("hooks/x.js", ""),
        ("hooks/before_incoming_midleware/x.js", ""),
        ("hooks/else/x.js", ""),
        ("hooks/docs/readme.md", ""),
        ("hooks/on_bot_error/x.js", ""),
        ("bots/empty/readme.md", ""),
        ("bots/a b/bot.config.json", "{}"),
        ("bots/Same/bot.config.json", "{}"),
        ("bots/same/bot.config.json", "{}"),
    ]);
    let scan = scan(root.path());
    let problems: Vec<String> = scan.problems.iter().map(ToString::to_string).collect();
    expect_test::expect![[r#"
        hooks/before_incoming_midleware: warning: not run: there is no kind of hook "before_incoming_midleware"
        help: did you mean hooks/before_incoming_middleware?
        hooks/else: warning: not run: there is no kind of hook "else"
        help: the kinds are after_server_start, after_bot_mount, after_bot_unmount, before_incoming_middleware, after_incoming_middleware, before_suggestions_election, before_outgoing_middleware, after_event_processed, before_session_timeout, before_conversation_end, on_incident_status_changed, before_bot_import, on_bot_error, on_stage_request, after_stage_changed
        hooks/on_bot_error/x.js: warning: not run yet: this version calls no on_bot_error hooks
        hooks/x.js: warning: not run: a hook lies in the folder of its kind
        help: move it to hooks/before_incoming_middleware/, for instance
        bots/a b: error: bot id "a b" may hold only letters, digits, `-` and `_`
        help: rename the folder: its name is the bot's id
        bots/empty: warning: not mounted: there is no bot.config.json
        help: write { "id": "empty", "name": "empty" } to bots/empty/bot.config.json
        bots/same: error: not mounted: bots/Same has the same id
        help: ids do not differ by case; rename one of the two"#]].assert_eq(&problems.join("\n"));
    assert_eq!(paths(&scan), ["hooks/on_bot_error/x.js", "bots/Same/bot.config.json"]);
}

#[test]
fn links_in_a_circle_and_pipes_do_not_hang() {
    let root = workspace(&[("hooks/after_bot_mount/a.js", "")]);
    let folder = root.path().join("hooks/after_bot_mount");
    std::os::unix::fs::symlink(&folder, folder.join("loop")).unwrap();
    std::os::unix::fs::symlink("/nowhere", folder.join("gone.js")).unwrap();
    rustix::fs::mknodat(rustix::fs::CWD, folder.join("pipe.js"), rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    let scan = scan(root.path());
    assert_eq!(paths(&scan), ["hooks/after_bot_mount/a.js"]);
}
#[test]
fn links_out_of_the_workspace_are_not_read() {
    let outer = workspace(&[
        ("outside/hooks/after_bot_mount/far.js", ""),
        ("outside/far.js", ""),
        ("inner/botpress.config.json", "{}"),
        ("inner/shared/near.js", ""),
        ("inner/shared/folder/near.js", ""),
        ("inner/hooks/after_bot_mount/a.js", ""),
        ("inner/bots/b/bot.config.json", "{}"),
    ]);
    let root = outer.path().join("inner");
    let link = |to: &str, from: &str| std::os::unix::fs::symlink(to, root.join(from)).unwrap();
    link("../../../outside/far.js", "hooks/after_bot_mount/far.js");
    link("../../../outside", "hooks/after_bot_mount/away");
    link("../../../outside/hooks", "bots/b/hooks");
    link("../../botpress.config.json", "hooks/after_bot_mount/secret.js");
    link("../../shared/near.js", "hooks/after_bot_mount/near.js");
    link("../../shared/folder", "hooks/after_bot_mount/folder");
    let closed = scan(&root);
    let near = ["a.js", "folder/near.js", "near.js"].map(|name| format!("hooks/after_bot_mount/{name}"));
    assert_eq!(paths(&closed)[..3], near);
    assert_eq!(closed.files.len(), 4, "{:?}", closed.files);
    let mut wrong: Vec<&str> = closed.problems.iter().map(|problem| problem.path.as_str()).collect();
    wrong.sort_unstable();
    let there = ["away", "far.js", "secret.js"].map(|name| format!("hooks/after_bot_mount/{name}"));
    assert_eq!(wrong, ["bots/b/hooks", &there[0], &there[1], &there[2]]);
    let open = super::scan(&Bounds::new(&root, LinkSettings { outside: true, ..LinkSettings::default() }));
    assert!(paths(&open).contains(&"bots/b/hooks/after_bot_mount/far.js"));
    assert!(paths(&open).contains(&"hooks/after_bot_mount/far.js"));
    // The workspace's own folder may be a link.
    let named = outer.path().join("link");
    std::os::unix::fs::symlink(&root, &named).unwrap();
    assert_eq!(paths(&scan(&named)), paths(&closed));
}

#[test]
fn links_that_lead_everywhere_are_followed_so_often_and_then_named() {
    let most = 4;
    let read = |folders: usize| {
        let root = workspace(&[]);
        let name = |n: usize| format!("hooks/after_bot_mount/f{n:02}");
        for n in 0..folders {
            std::fs::create_dir_all(root.path().join(name(n))).unwrap();
            std::fs::write(root.path().join(name(n)).join("h.js"), "").unwrap();
        }
        // Each folder holds links to all others: ever new paths lead from one to the next.
        for (n, to) in (0..folders).flat_map(|n| (0..folders).map(move |to| (n, to))).filter(|(n, to)| n != to) {
            std::os::unix::fs::symlink(
                root.path().join(name(to)),
                root.path().join(name(n)).join(format!("to{to:02}")),
            )
            .unwrap();
        }
        super::scan(&Bounds::new(root.path(), LinkSettings { paths: most, ..LinkSettings::default() }))
    };
    // Each of three folders is where it is, and reached by 2 + 2 paths of links.
    let few = read(3);
    assert_eq!((few.files.len(), few.problems.len()), (3 * (1 + most), 0), "{:?}", few.problems);
    let many = read(20);
    assert!(many.files.len() <= 20 * (1 + most), "{}", many.files.len());
    let found = paths(&many);
    assert!((0..20).all(|n| found.contains(&&*format!("hooks/after_bot_mount/f{n:02}/h.js"))), "{found:?}");
    assert!((1..=20).contains(&many.problems.len()), "{}", many.problems.len());
    let said = many.problems[0].to_string();
    assert!(said.contains("more than 4 paths (`scripts.pathsToFolder`)"), "{said}");
}

#[test]
fn flows_are_known_by_their_path_below_flows_and_the_editors_own_files_are_left_out() {
    let root = workspace(&[
        ("data/bots/b/bot.config.json", "{}"),
        ("data/bots/b/flows/main.flow.json", ""),
        ("data/bots/b/flows/main.ui.json", ""),
        ("data/bots/b/flows/skills/deep/choice-1.flow.json", ""),
        ("data/bots/b/flows/.off.flow.json", ""),
        ("data/bots/b/flows/readme.md", ""),
        ("data/bots/b/flows/other.json", ""),
        ("flows/main.flow.json", ""),
    ]);
    let scan = scan(root.path());
    let flows: Vec<&str> = scan
        .files
        .iter()
        .filter_map(|file| if let FileRole::Flow { name, .. } = &file.role { Some(name.as_str()) } else { None })
        .collect();
    assert_eq!(flows, ["main.flow.json", "skills/deep/choice-1.flow.json"]);
    let problems: Vec<String> = scan.problems.iter().map(ToString::to_string).collect();
    expect_test::expect![[r#"
        data/bots/b/flows/other.json: warning: not read: it is no flow by its name
        help: the names of flows end with .flow.json"#]]
    .assert_eq(&problems.join("\n"));
}

#[test]
fn a_folder_that_holds_nothing_but_what_visitors_sent_is_no_bot() {
    let root = workspace(&[
        ("bots/welcome-bot/media/a.png", ""),
        ("bots/other/media/a.png", ""),
        ("bots/other/qna/x.json", ""),
        ("bots/third/bot.config.json", ""),
        ("bots/third/media/a.js", ""),
    ]);
    let scan = scan(root.path());
    assert_eq!(scan.bots.keys().map(BotId::as_str).collect::<Vec<_>>(), ["other", "third"]);
    assert_eq!(paths(&scan), ["bots/third/bot.config.json"]);
    assert_eq!(scan.problems.len(), 1, "{:?}", scan.problems);
    assert!(scan.places.folders.keys().all(|folder| !folder.ends_with("media")), "a folder of media is not watched");
}
