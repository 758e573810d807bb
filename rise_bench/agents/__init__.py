"""Any agent program as a model: started once per attempt, given the task's tools over MCP and nothing else."""
