"""What tests share: engines, clocks, proxies, factories."""
