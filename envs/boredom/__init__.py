"""SARDINE's users, who click several items of a slate and tire of a topic shown too often."""
