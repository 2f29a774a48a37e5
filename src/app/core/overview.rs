//! The overview: the view in each pane, and which pane has the focus.

use crate::app::core::pane::{Arrangement, Pane};
use crate::app::core::view::View;
use crate::world::Time;

#[derive(Debug)]
pub struct Overview {
    pub focus: Pane,
    pub zoom: bool,
    pub arrangement: Arrangement,
    /// When the arrangement last changed, until that is saved.
    pub rearranged: Option<Time>,
    /// Rows that the panes share on the screen; `None` where one is shown alone.
    pub rows: Option<u16>,
    /// The view of each pane, in the order of [`Pane::ALL`].
    pub(super) panes: Vec<Box<dyn View>>,
}

impl Overview {
    /// The overview with these views, in the order of [`Pane::ALL`].
    pub(in crate::app) fn of(panes: [Box<dyn View>; Pane::ALL.len()]) -> Overview {
        Overview {
            focus: Pane::Findings,
            zoom: false,
            arrangement: Arrangement::default(),
            rearranged: None,
            rows: None,
            panes: panes.into(),
        }
    }

    pub fn pane(&self, pane: Pane) -> &dyn View {
        &*self.panes[pane as usize]
    }

    pub(in crate::app) fn pane_mut(&mut self, pane: Pane) -> &mut dyn View {
        &mut *self.panes[pane as usize]
    }

    pub(super) fn focused(&self) -> &dyn View {
        self.pane(self.focus)
    }

    pub(super) fn focused_mut(&mut self) -> &mut dyn View {
        self.pane_mut(self.focus)
    }

    pub(super) fn views(&self) -> impl Iterator<Item = &dyn View> {
        self.panes.iter().map(|v| &**v)
    }

    pub(super) fn views_mut(&mut self) -> impl Iterator<Item = &mut dyn View> {
        self.panes.iter_mut().map(|v| &mut **v)
    }
}
