"""What happens to accepted executions when parts die, hang or run full under load."""
