"""The sample catalog that Lookalike draws itself: products, studio photos and customer photos."""
