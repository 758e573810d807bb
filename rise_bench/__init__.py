"""rise-bench: does a tool-using agent do what its user meant?"""
