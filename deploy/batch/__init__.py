"""Bulk: images packed into shards, a transform job over them, its answers joined to the images' names."""
