"""What every microservice shares; it knows no feature."""
