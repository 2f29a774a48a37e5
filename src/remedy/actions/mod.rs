//! The actions, one file each: what it declares, its plan, its requests and how its result is verified.

use super::action::Action;

mod annotate;
mod attach;
mod backup;
mod bundle;
mod class_histogram;
mod copy;
mod cordon;
mod crd_migrate;
mod debug;
mod delete;
mod diff;
pub(super) mod drain;
mod edit;
mod evict;
mod failover;
mod force_delete;
mod guards;
mod heap_dump;
mod label;
mod node_shell;
mod out_of_service;
mod pause;
mod port_forward;
mod remove_finalizers;
mod restart;
mod restore;
mod resume;
mod retry;
mod rollback;
mod scale;
mod set_config;
mod set_env;
mod set_image;
mod set_probe;
mod set_quota;
mod set_resources;
mod shell;
mod snapshot;
mod suspend;
mod switch_selector;
mod taint;
mod thread_dump;
mod trigger;
mod uncordon;
mod untaint;
mod upgrade;
mod waves;

/// Every action, in the order of menus and lists. Menus, `do --list` and the command line follow it.
pub(super) static ALL: &[&Action] = &[
    &rollback::ACTION,
    &restart::ACTION,
    &pause::ACTION,
    &resume::ACTION,
    &scale::ACTION,
    &set_image::ACTION,
    &set_resources::ACTION,
    &set_env::ACTION,
    &set_probe::ACTION,
    &guards::ACTION,
    &set_config::ACTION,
    &set_quota::ACTION,
    &switch_selector::ACTION,
    &suspend::ACTION,
    &trigger::ACTION,
    &retry::ACTION,
    &cordon::ACTION,
    &uncordon::ACTION,
    &drain::ACTION,
    &taint::ACTION,
    &untaint::ACTION,
    &out_of_service::ACTION,
    &shell::ACTION,
    &attach::ACTION,
    &debug::ACTION,
    &node_shell::ACTION,
    &port_forward::ACTION,
    &copy::ACTION,
    &edit::ACTION,
    &bundle::ACTION,
    &backup::ACTION,
    &restore::ACTION,
    &crd_migrate::ACTION,
    &label::ACTION,
    &annotate::ACTION,
    &evict::ACTION,
    &delete::ACTION,
    &force_delete::ACTION,
    &remove_finalizers::ACTION,
    &heap_dump::ACTION,
    &thread_dump::ACTION,
    &class_histogram::ACTION,
];

/// Actions on the cluster as a whole.
pub(super) static CLUSTER_WIDE: &[&Action] =
    &[&waves::ACTION, &upgrade::ACTION, &snapshot::ACTION, &diff::ACTION, &failover::ACTION];

/// Those of them that need no cluster.
pub(super) static OFFLINE: &[&Action] = &[&diff::ACTION];
