"""Tests in a real browser. A package, so that the node and the browser of scope "package" end with this folder, not with the run."""
