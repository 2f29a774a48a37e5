//! Draws the model: panes, overlays, widgets, theme. Reads `&Model`, changes nothing.
