//! `docs/playbooks/`: the shipped decision trees as pages to read.

use khud::playbook::{Playbook, docs, library};

#[test]
fn each_shipped_tree_has_its_page_and_the_manual_names_it() {
    let manual = std::fs::read_to_string("docs/playbooks.md").unwrap();
    for (file, text) in library::EMBEDDED {
        let book = Playbook::parse(text, file).unwrap();
        super::config::same(&format!("docs/playbooks/{}.md", book.id), &docs::markdown(&book));
        let link = format!("[`{}`](playbooks/{}.md)", book.id, book.id);
        assert!(manual.contains(&link), "docs/playbooks.md does not link {link}");
    }
}
