//! `docs/playbooks/`: the shipped decision trees as pages to read.

use khud::playbook::checklist::Checklist;
use khud::playbook::pages::{self, Names, Page};
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

#[test]
fn each_page_for_people_is_in_the_documentation() {
    let manual = std::fs::read_to_string("docs/playbooks.md").unwrap();
    for (file, text) in pages::EMBEDDED {
        let page = Page::parse(text, file).unwrap();
        super::config::same(&format!("docs/pages/{}.md", page.id), &page.render(&Names::default()));
        assert!(
            manual.contains(&format!("[`{0}`](pages/{0}.md)", page.id)),
            "docs/playbooks.md does not link {file}"
        );
    }
}

#[test]
fn each_checklist_is_in_the_documentation() {
    let manual = std::fs::read_to_string("docs/playbooks.md").unwrap();
    for list in Checklist::all() {
        super::config::same(&format!("docs/checklists/{}.md", list.id), &list.markdown());
        let link = format!("[`{}`](checklists/{}.md)", list.name(), list.id);
        assert!(manual.contains(&link), "docs/playbooks.md does not link {link}");
    }
}
