//! Folders and files that answer to several names, come late, or are replaced: what is watched of them goes on.

use std::os::unix::fs::symlink;
use std::process::Command;

use super::tests::{Bench, HOOK, source};
use super::*;

const KIND: &str = "hooks/before_incoming_middleware";
const MOUNT: &str = "hooks/after_bot_mount/m.js";

impl Bench {
    fn link(&self, to: impl AsRef<Path>, at: &str) {
        let at = self.path(at);
        std::fs::create_dir_all(at.parent().unwrap()).unwrap();
        symlink(to, at).unwrap();
    }

    fn rename(&self, from: &str, to: &str) {
        std::fs::rename(self.path(from), self.path(to)).unwrap();
    }

    fn remove(&self, path: &str) {
        std::fs::remove_file(self.path(path)).unwrap();
    }

    async fn until_file(&mut self, path: &str, wanted: Option<&str>) {
        self.until(|workspace| source(&workspace.program, path).as_deref() == wanted).await;
    }

    /// Edits of a file are seen, one after the other.
    async fn sees_edits_of(&mut self, path: &str, seen_as: &str, round: &str) {
        for step in 0..2 {
            let text = format!("{round}({step})");
            self.write(path, &text);
            self.until_file(seen_as, Some(&text)).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_that_is_removed_ends_no_watch_of_the_folder_it_led_to() {
    let links = [
        (format!("{KIND}/up"), ".."),
        (format!("{KIND}/other"), "../after_bot_mount"),
        ("hooks/x/up".to_owned(), ".."),
        ("hooks/z_alias".to_owned(), "after_bot_mount"),
        (format!("{KIND}/a_link"), "../../lib"),
    ];
    for (at, to) in links {
        let mut bench = Bench::new(&[(HOOK, "one()"), (MOUNT, "m()"), ("lib/l.js", "l()")]).await;
        bench.link(to, &at);
        // Seen, and watched.
        bench.write(&format!("{KIND}/seen.js"), "seen()");
        bench.until_file(&format!("{KIND}/seen.js"), Some("seen()")).await;
        bench.remove(&at);
        for round in ["first", "second"] {
            bench.sees_edits_of(HOOK, HOOK, round).await;
            bench.sees_edits_of(MOUNT, MOUNT, round).await;
        }
        bench.write("hooks/before_suggestions_election/new.js", &at);
        bench.until_file("hooks/before_suggestions_election/new.js", Some(&at)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_links_to_one_folder_either_may_go_and_come_back() {
    let mut bench = Bench::new(&[(HOOK, "one()"), ("lib/l.js", "l(0)")]).await;
    let (a, b) = (format!("{KIND}/a_lib"), format!("{KIND}/b_lib"));
    bench.link("../../lib", &a);
    bench.link("../../lib", &b);
    let (in_a, in_b) = (format!("{a}/l.js"), format!("{b}/l.js"));
    bench.until_file(&in_b, Some("l(0)")).await;
    for round in 0..3 {
        bench.remove(&a);
        bench.until_file(&in_a, None).await;
        bench.sees_edits_of("lib/l.js", &in_b, &format!("only_b_{round}")).await;
        bench.link("../../lib", &a);
        bench.remove(&b);
        bench.until_file(&in_b, None).await;
        bench.sees_edits_of("lib/l.js", &in_a, &format!("only_a_{round}")).await;
        // Gone and back before anybody has looked.
        bench.remove(&a);
        bench.link("../../lib", &a);
        bench.sees_edits_of("lib/l.js", &in_a, &format!("back_{round}")).await;
        bench.link("../../lib", &b);
    }
    bench.until_file(&in_b, Some("back_2(1)")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_is_renamed_away_and_back_is_still_watched() {
    let mut bench = Bench::new(&[(HOOK, "one()"), (MOUNT, "m()"), ("actions/deep/er/a.js", "a()")]).await;
    for round in ["one", "two", "three"] {
        for folder in [KIND, "hooks", "actions/deep", "actions"] {
            let aside = format!("aside_{}", folder.replace('/', "_"));
            bench.rename(folder, &aside);
            bench.rename(&aside, folder);
        }
        bench.sees_edits_of(HOOK, HOOK, round).await;
        bench.sees_edits_of("actions/deep/er/a.js", "actions/deep/er/a.js", round).await;
        bench.rename("actions/deep", "actions/other");
        bench.until_file("actions/other/er/a.js", Some(&format!("{round}(1)"))).await;
        bench.sees_edits_of("actions/other/er/a.js", "actions/other/er/a.js", round).await;
        bench.rename("actions/other", "actions/deep");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_is_replaced_by_a_link_and_back_is_watched_as_what_it_is() {
    let mut bench = Bench::new(&[(HOOK, "one()"), ("lib/a.js", "linked()")]).await;
    for round in ["one", "two"] {
        bench.rename(KIND, "aside");
        bench.link("../lib", KIND);
        bench.sees_edits_of("lib/a.js", HOOK, &format!("linked_{round}")).await;
        bench.remove(KIND);
        bench.rename("aside", KIND);
        bench.until_file(HOOK, Some(if round == "one" { "one()" } else { "own_one(1)" })).await;
        bench.sees_edits_of(HOOK, HOOK, &format!("own_{round}")).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_link_leads_to_may_come_later_go_and_be_another_one() {
    let mut bench = Bench::new(&[(HOOK, "one()"), ("v1/s.js", "v1()"), ("v2/s.js", "v2()")]).await;
    bench.link("../../later", &format!("{KIND}/later"));
    bench.link("../../late.js", &format!("{KIND}/late.js"));
    // By two links, the second of which lies where nobody watches.
    bench.link("v1", "current");
    bench.link("../../current", &format!("{KIND}/now"));
    let (later, late, now) = (format!("{KIND}/later/l.js"), format!("{KIND}/late.js"), format!("{KIND}/now/s.js"));
    bench.until_file(&now, Some("v1()")).await;
    bench.write("later/l.js", "l()");
    bench.until_file(&later, Some("l()")).await;
    bench.sees_edits_of("later/l.js", &later, "later").await;
    bench.write("late.js", "f()");
    bench.until_file(&late, Some("f()")).await;
    bench.sees_edits_of("late.js", &late, "late").await;
    bench.remove("current");
    bench.link("v2", "current");
    bench.until_file(&now, Some("v2()")).await;
    bench.sees_edits_of("v2/s.js", &now, "of_v2").await;
    std::fs::remove_dir_all(bench.path("later")).unwrap();
    bench.until_file(&later, None).await;
    bench.write("later/l.js", "again()");
    bench.until_file(&later, Some("again()")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn edits_of_a_file_that_links_lead_to_are_seen_and_never_half() {
    let mut bench = Bench::new(&[(HOOK, "one()"), ("elsewhere/a.js", "whole(0)"), ("actions/b.js", "b()")]).await;
    bench.remove(HOOK);
    bench.link("../../elsewhere/a.js", HOOK);
    bench.link("../elsewhere/a.js", "actions/linked.js");
    bench.until_source("whole(0)").await;
    for round in 1..=20 {
        let (file, text) = (bench.path("elsewhere/a.js"), format!("whole({round})"));
        if round % 2 == 0 {
            let temporary = bench.path("elsewhere/.a.tmp");
            std::fs::write(&temporary, &text).unwrap();
            std::fs::rename(temporary, file).unwrap();
        } else {
            use std::io::Write as _;
            let mut file = std::fs::File::create(file).unwrap();
            file.write_all(b"whole").unwrap();
            // Others go on meanwhile.
            bench.write("actions/b.js", &text);
            bench.until_file("actions/b.js", Some(&text)).await;
            file.write_all(format!("({round})").as_bytes()).unwrap();
        }
        bench.until_source(&text).await;
        bench.until_file("actions/linked.js", Some(&text)).await;
    }
    for source in bench.compiled().iter().filter(|source| *source != "one()") {
        assert!(source.starts_with("whole(") && source.ends_with(')'), "{source:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_required_may_come_later() {
    let files = [
        (HOOK, "require('../../lib/late'); require('from_libraries'); require('package')"),
        ("bots/b/bot.config.json", "{}"),
    ];
    let mut bench = Bench::new(&files).await;
    bench.write("lib/late.js", "late()");
    bench.until_file("lib/late.js", Some("late()")).await;
    bench.write("libraries/from_libraries.js", "own()");
    bench.until_file("libraries/from_libraries.js", Some("own()")).await;
    // As npm does: a folder, its files, the main file last.
    bench.write("node_modules/package/readme.md", "");
    bench.write("node_modules/package/package.json", r#"{ "main": "dist/main.js" }"#);
    bench.write("node_modules/package/dist/main.js", "main()");
    bench.until_file("node_modules/package/dist/main.js", Some("main()")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bot_may_be_a_link_to_another_bot() {
    let (config, hook) = ("bots/a/bot.config.json", "bots/a/hooks/before_incoming_middleware/h.js");
    let mut bench = Bench::new(&[(config, r#"{ "name": "A" }"#), (hook, "h()")]).await;
    bench.link("a", "bots/b");
    let of_b = "bots/b/hooks/before_incoming_middleware/h.js";
    bench.until_file(of_b, Some("h()")).await;
    for round in ["one", "two"] {
        bench.sees_edits_of(hook, of_b, round).await;
        bench.until_file(hook, Some(&format!("{round}(1)"))).await;
    }
    bench.remove("bots/b");
    bench.until(|workspace| !workspace.bots.contains_key("b")).await;
    bench.sees_edits_of(hook, hook, "alone").await;
    bench.write(config, r#"{ "name": "Still A" }"#);
    bench.until(|workspace| workspace.bots["a"].name == "Still A").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_workspace_whose_folder_is_replaced_is_read_anew_and_watched() {
    let mut bench = Bench::in_folder("w", &[(HOOK, "one()"), (MOUNT, "m()")]).await;
    let outer = bench.path("").parent().unwrap().to_owned();
    let [here, aside, other, release] = ["w", "aside", "other", "release"].map(|name| outer.join(name));
    std::fs::rename(&here, &aside).unwrap();
    bench.until_gone().await;
    bench.write(HOOK, "other()");
    bench.until_source("other()").await;
    bench.sees_edits_of(HOOK, HOOK, "of_the_other").await;
    std::fs::rename(&here, other).unwrap();
    std::fs::rename(&aside, &here).unwrap();
    bench.until_source("one()").await;
    bench.sees_edits_of(HOOK, HOOK, "of_the_first").await;
    bench.sees_edits_of(MOUNT, MOUNT, "of_the_first").await;
    // By a link to a copy, as deployments do.
    std::fs::rename(&here, release).unwrap();
    symlink("release", here).unwrap();
    bench.sees_edits_of(HOOK, HOOK, "of_the_release").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_git_checks_out_is_in_service() {
    let mut bench = Bench::new(&[(HOOK, "main()"), ("actions/deep/a.js", "main()")]).await;
    let folder = bench.path("");
    let git = |arguments: &[&str]| {
        let identity = ["-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "core.hooksPath=/dev/null"];
        let done = Command::new("git").current_dir(&folder).args(identity).args(arguments).output().unwrap();
        assert!(done.status.success(), "{done:?}");
    };
    git(&["init", "-q", "-b", "main"]);
    git(&["add", "."]);
    git(&["commit", "-q", "-m", "main"]);
    git(&["checkout", "-q", "-b", "other"]);
    // The folder goes as a whole, a link comes in its place.
    std::fs::remove_dir_all(bench.path("actions/deep")).unwrap();
    bench.write("actions/moved/a.js", "other()");
    bench.link("moved", "actions/deep");
    bench.write(HOOK, "other()");
    git(&["add", "."]);
    git(&["commit", "-q", "-m", "other"]);
    for branch in ["main", "other", "main", "other", "main"] {
        git(&["checkout", "-q", branch]);
        let text = format!("{branch}()");
        bench.until_source(&text).await;
        bench.until_file("actions/deep/a.js", Some(&text)).await;
        bench.sees_edits_of("hooks/after_bot_mount/untracked.js", "hooks/after_bot_mount/untracked.js", branch).await;
    }
    bench.sees_edits_of("actions/deep/a.js", "actions/deep/a.js", "edited").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_notifications_changes_are_seen_by_looking() {
    let files = [(HOOK, "one()"), ("bots/b/bot.config.json", "{}")];
    let refused = |_| Err(notify::Error::generic("no more of them"));
    let mut bench = Bench::by(refused, "", &files, |program| Ok(super::tests::answer(&program))).await;
    bench.sees_edits_of(HOOK, HOOK, "polled").await;
    bench.write("hooks/after_bot_mount/sub/deep.js", "deep()");
    bench.until_file("hooks/after_bot_mount/sub/deep.js", Some("deep()")).await;
    bench.write("bots/b/bot.config.json", r#"{ "name": "B" }"#);
    bench.until(|workspace| workspace.bots["b"].name == "B").await;
    bench.remove(HOOK);
    bench.until_gone().await;
}
