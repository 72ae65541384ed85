"""The test suite, laid out by what a test needs: nothing, engines, processes, a browser."""
