//! The actions, one file each: what it declares, its plan, its requests and how its result is verified.

use super::action::Action;

mod class_histogram;
mod cordon;
mod delete;
pub(super) mod drain;
mod evict;
mod heap_dump;
mod pause;
mod restart;
mod resume;
mod rollback;
mod scale;
mod set_image;
mod thread_dump;
mod uncordon;
mod waves;

/// Every action, in the order of menus and lists. Menus, `do --list` and the command line follow it.
pub(super) static ALL: &[&Action] = &[
    &rollback::ACTION,
    &restart::ACTION,
    &pause::ACTION,
    &resume::ACTION,
    &scale::ACTION,
    &set_image::ACTION,
    &cordon::ACTION,
    &uncordon::ACTION,
    &drain::ACTION,
    &evict::ACTION,
    &delete::ACTION,
    &heap_dump::ACTION,
    &thread_dump::ACTION,
    &class_histogram::ACTION,
];

/// Actions on the cluster as a whole.
pub(super) static CLUSTER_WIDE: &[&Action] = &[&waves::ACTION];
